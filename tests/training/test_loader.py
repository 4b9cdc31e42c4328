"""A page depends on seed, stage, epoch and place alone, so that a run resumes and workers change nothing."""

import random
from collections import Counter

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.ecg.page import canonical_page
from retrieval.ecg.recording import Recording
from retrieval.ecg.simulator import simulate
from training.augment import vary_signal
from training.cases import TrainingCase
from training.heads import plotted
from training.loader import Batch, PageDataset, batches, epoch_order

pytestmark = pytest.mark.train

KEY = (3, 1, 2)
"""Seed, stage, epoch."""


@pytest.fixture(scope="module")
def cases():
    texts = (("one",), ("first", "second", "third"), ("a", "b"))
    signals = [simulate(i, rate=100.0).recording.signal[:, 2:985] for i in range(6)]
    return [TrainingCase(f"c{i}", signal, {}, texts[i % 3]) for i, signal in enumerate(signals)]


ORDER = np.array([4, 0, 2, 5, 1, 3, 4, 4])


@pytest.fixture
def dataset(cases):
    return PageDataset(cases, ORDER, KEY, 1.0)


def same(item, other):
    return all(
        np.array_equal(a, b) and np.asarray(a).dtype == np.asarray(b).dtype for a, b in zip(item, other, strict=True)
    )


def test_what_an_item_holds(cases, dataset):
    ink, signal, shown, known, case, text, words = dataset[1]
    assert (ink.shape, ink.dtype) == ((1, 256, 512), np.float32)
    assert 0 <= ink.min() < ink.max() <= 1
    assert (signal.shape, shown.shape, known.shape) == ((12, 992),) * 3
    assert (shown.dtype, known.dtype) == (bool, bool)
    assert case == 0
    assert (text, words) == (0, "one")  # case 0 has one text


def test_a_page_is_the_same_whatever_was_drawn_before_it(dataset, cases):
    wanted = [dataset[i] for i in range(8)]
    np.random.seed(1)
    torch.manual_seed(1)
    random.seed(1)
    again = PageDataset(cases, ORDER, KEY, 1.0)
    for place in (7, 3, 0, 3, 5):
        assert same(again[place], wanted[place])


def test_the_same_case_at_another_place_is_another_page(dataset):
    pages = [dataset[i][0].tobytes() for i in (0, 6, 7)]
    assert [int(dataset[i][4]) for i in (0, 6, 7)] == [4, 4, 4]
    assert len(set(pages)) == 3


def test_a_page_does_not_depend_on_what_stands_at_other_places(cases):
    one = PageDataset(cases, np.array([0, 2, 4]), KEY, 1.0)
    other = PageDataset(cases, np.array([5, 2, 1, 3]), KEY, 1.0)
    assert same(one[1], other[1])


@pytest.mark.parametrize("key", [(4, 1, 2), (3, 0, 2), (3, 1, 3)])
def test_seed_stage_and_epoch_each_change_the_page(cases, dataset, key):
    assert not np.array_equal(PageDataset(cases, ORDER, key, 1.0)[0][0], dataset[0][0])


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_nothing(dataset, workers):
    alone, together = list(batches(dataset, 3, 0, 0)), list(batches(dataset, 3, 0, workers))
    assert [len(batch.case) for batch in together] == [3, 3, 2]
    for a, b in zip(alone, together, strict=True):
        for name in Batch.__annotations__:
            own, other = getattr(a, name), getattr(b, name)
            assert torch.equal(own, other) if isinstance(own, torch.Tensor) else list(own) == list(other), name


def test_batches_are_the_items_in_order(dataset):
    got = list(batches(dataset, 4, 0, 0))
    assert torch.cat([batch.case for batch in got]).tolist() == ORDER.tolist()
    for number, batch in enumerate(got):
        for i in range(4):
            item = dataset[4 * number + i]
            assert torch.equal(batch.ink[i], torch.from_numpy(item[0]))
            assert torch.equal(batch.signal[i], torch.from_numpy(item[1]))
            assert torch.equal(batch.shown[i], torch.from_numpy(item[2]))
            assert torch.equal(batch.known[i], torch.from_numpy(item[3]))
            assert (batch.case[i].item(), batch.text[i].item(), batch.words[i]) == (item[4], item[5], item[6])


def test_processes_share_each_batch_and_parts_share_a_process(dataset):
    whole = list(batches(dataset, 4, 0, 0))
    halves = [list(batches(dataset, 4, 0, 0, own)) for own in (slice(0, 2), slice(2, 4))]
    for batch, first, second in zip(whole, *halves, strict=True):
        for parts in ((first, second), batch.parts(3)):
            assert sum(map(len, parts)) == 4
            assert torch.equal(torch.cat([part.ink for part in parts]), batch.ink)
            assert [word for part in parts for word in part.words] == list(batch.words)


@pytest.mark.parametrize("first", [0, 1, 2, 3])
def test_a_resumed_epoch_goes_on_with_the_batch_it_stopped_at(dataset, first):
    whole, rest = list(batches(dataset, 3, 0, 0)), list(batches(dataset, 3, first, 0))
    assert len(rest) == len(whole) - first
    for a, b in zip(whole[first:], rest, strict=True):
        assert torch.equal(a.ink, b.ink)
        assert torch.equal(a.text, b.text)


def test_at_strength_0_the_page_is_canonical_and_the_signal_all_of_it(cases):
    item = PageDataset(cases, ORDER, KEY, 0.0)[2]
    recording = Recording(cases[2].signal, 100.0)
    wanted = (255 - canonical_page(recording).pixels.astype(np.float32)) / 255
    np.testing.assert_allclose(item[0][0], wanted, atol=0.1)
    np.testing.assert_array_equal(
        item[1][:, :983], recording.signal - np.median(recording.signal, axis=1, keepdims=True)
    )
    assert (item[3].sum(axis=1) == 983).all()
    np.testing.assert_array_equal(item[2], plotted("3x4+1", 983).numpy())


def test_the_decoder_is_to_find_the_clean_signal_behind_the_page(cases):
    """The same cut as the page's, without its noise; beyond the cut nothing is known, and only known is shown."""
    dataset = PageDataset(cases, np.arange(6), KEY, 1.0)
    lengths = set()
    for place in range(6):
        _, signal, shown, known, _, _, _ = dataset[place]
        length = int(known[0].sum())
        lengths.add(length)
        varied = vary_signal(cases[place].signal, 100.0, np.random.default_rng([*KEY, place]), 1.0)
        assert length == varied.shape[1]
        clean = cases[place].signal[:, -length:]
        np.testing.assert_array_equal(signal[:, :length], clean - np.median(clean, axis=1, keepdims=True))
        assert not signal[:, length:].any()
        assert (known[:, :length].all(), known[:, length:].any()) == (True, False)
        assert not (shown & ~known).any()
        assert shown.any(axis=1).all()
    assert len(lengths) > 1


def test_the_report_as_written_is_drawn_half_of_the_time_and_the_rest_evenly(cases):
    """900 draws of a case with three texts; four standard deviations of each count."""
    dataset = PageDataset(cases, np.ones(900, int), KEY, 0.0)
    seen = Counter(int(dataset[i][5]) for i in range(900))
    assert set(seen) == {0, 1, 2}
    assert seen[0] == pytest.approx(450, abs=60)
    assert seen[1] == pytest.approx(225, abs=52)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 30), st.integers(1, 4)), min_size=1, max_size=4),
    st.lists(st.integers(0, 100), min_size=1, max_size=3),
    st.integers(1, 40),
)
def test_an_epoch_has_each_case_as_often_as_asked_in_whole_batches(sizes, seed, batch):
    order = epoch_order(sizes, seed, batch)
    np.testing.assert_array_equal(order, epoch_order(sizes, seed, batch))
    total = sum(count * repeat for count, repeat in sizes)
    assert len(order) == (total // batch * batch if total >= batch else total)
    wanted = Counter()
    for start, (count, repeat) in zip(np.cumsum([0, *(count for count, _ in sizes)]), sizes, strict=False):
        wanted.update({int(i): repeat for i in range(start, start + count)})
    seen = Counter(order.tolist())
    assert not seen - wanted  # nothing too often
    assert (wanted - seen).total() == total - len(order)


def test_epochs_are_shuffled_differently():
    orders = [tuple(epoch_order([(50, 1)], (1, 0, epoch), 10).tolist()) for epoch in range(5)]
    assert len(set(orders)) == 5
    assert orders[0] != tuple(range(50))


def test_a_corpus_that_is_not_repeated_is_left_out():
    """A stage without the simulated cases asks for them 0 times."""
    assert set(epoch_order([(4, 2), (3, 0), (2, 1)], (1,), 2).tolist()) <= {0, 1, 2, 3, 7, 8}
    assert len(epoch_order([(4, 2), (3, 0), (2, 1)], (1,), 2)) == 10
