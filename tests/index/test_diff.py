"""The differences of two galleries, against two dictionaries."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from index import Gallery, diff_galleries
from tests.index.gallery_samples import new_gallery, sample_case, unit

# For each case what a gallery holds of it: nothing, or one of two contents with one of two vectors.
STATES = [None, (0, 0), (0, 1), (1, 0), (1, 1)]
PAIRS = list(product(STATES, STATES))
ROWS = unit(2 * len(PAIRS), 6)


def made(path, held):
    """A gallery of the cases that are there, added in another order than that of their ids."""
    gallery = new_gallery(path, 6)
    given = [(n, *what) for n, what in enumerate(held) if what is not None][::-1]
    cases = [sample_case(n, waveform=bytes([content])) for n, content, _ in given]
    gallery.add(cases, ROWS[[n + len(PAIRS) * vector for n, _, vector in given]].reshape(-1, 6))
    return gallery


# Each list of pairs ends with another kind of rest: cases of both, of one gallery alone, of none.
@pytest.mark.parametrize("pairs", [PAIRS, PAIRS[::-1], PAIRS[:5], PAIRS[::5], []])
def test_every_difference_once_in_the_order_of_ids(tmp_path, pairs):
    expected = []
    for n, (here, there) in enumerate(pairs):
        case_id = sample_case(n).case_id
        if here is None or there is None:
            expected += [("only_first", case_id)] * (here is not None)
            expected += [("only_second", case_id)] * (there is not None)
        else:
            expected += [("case", case_id)] * (here[0] != there[0]) + [("vector", case_id)] * (here[1] != there[1])
    with (
        made(tmp_path / "a", [pair[0] for pair in pairs]) as a,
        made(tmp_path / "b", [pair[1] for pair in pairs]) as b,
    ):
        assert [(d.kind, d.case_id) for d in diff_galleries(a, b)] == expected
        assert list(diff_galleries(a, a)) == []


def test_it_is_a_stream_of_one_generation(tmp_path):
    with new_gallery(tmp_path / "a", 6) as a, new_gallery(tmp_path / "b", 6) as b:
        a.add([sample_case(n) for n in range(5)], ROWS[:5])
        found = diff_galleries(a, b)
        assert next(found).case_id == "case-00000"
        with Gallery.open(tmp_path / "b", read_only=False) as writer:
            writer.add([sample_case(n) for n in range(5)], ROWS[:5])
        assert len(list(found)) == 4
        assert list(diff_galleries(a, b)) == []
        assert np.array_equal(a.vectors(), b.vectors())
