"""The figures of the protocol against independent software on random rankings, ties and duplicates included.

ir-measures and scikit-learn know no expected place for ties. So ties are given to them as every order of the tied
entries by chance, and the mean of what they say must be what we say in one go.
"""

from __future__ import annotations

import ir_measures
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ir_measures import AP, RR, P, Qrel, ScoredDoc, Success, nDCG
from sklearn.metrics import average_precision_score, ndcg_score, roc_auc_score

from eval.bootstrap import PatientBootstrap
from eval.metrics.pairs import pair_view
from eval.metrics.ranking import average_precision, ndcg_at, precision_at, rank_by_score
from retrieval.scoring import first_hit, macro_auroc, neighbour_vote

SEEDS = st.integers(0, 2**32 - 1)


def by_ir_measures(scores, gains, measures):
    """Figures of each query of ``[q, g]``, as ``{measure: [q]}``."""
    qrels = [Qrel(str(q), str(d), int(gain)) for q, row in enumerate(gains) for d, gain in enumerate(row)]
    run = [ScoredDoc(str(q), str(d), float(score)) for q, row in enumerate(scores) for d, score in enumerate(row)]
    found = {measure: np.full(len(gains), np.nan) for measure in measures}
    for one in ir_measures.iter_calc(measures, qrels, run):
        found[one.measure][int(one.query_id)] = one.value
    return found


def without_ties(rng, queries, entries):
    return rng.permuted(np.tile(np.arange(entries) / entries, (queries, 1)), axis=1)


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(1, 30), st.integers(1, 12))
def test_every_figure_agrees_query_by_query_without_ties(seed, entries, k):
    rng = np.random.default_rng(seed)
    scores, gains = without_ties(rng, 4, entries), rng.choice([0, 0, 0, 1, 2, 3], size=(4, entries))
    gains[:, rng.integers(entries)] = 2
    theirs = by_ir_measures(scores, gains, [AP, P @ k, nDCG @ k, RR, Success @ k])
    ranking, relevant = rank_by_score(scores), gains > 0
    np.testing.assert_allclose(average_precision(ranking, relevant), theirs[AP], atol=1e-9)
    np.testing.assert_allclose(precision_at(ranking, relevant, k), theirs[P @ k], atol=1e-9)
    np.testing.assert_allclose(ndcg_at(ranking, gains.astype(float), k), theirs[nDCG @ k], atol=1e-9)
    hit = first_hit(scores, relevant)
    np.testing.assert_allclose(hit.reciprocal_rank(), theirs[RR], atol=1e-9)
    np.testing.assert_allclose(hit.recall_at(k), theirs[Success @ k], atol=1e-9)


def test_ties_are_the_mean_of_what_the_reference_says_of_their_orders():
    rng = np.random.default_rng(11)
    scores, gains = rng.integers(0, 4, 14).astype(float), rng.choice([0, 0, 0, 1, 2], 14)
    gains[:2] = 1
    scores[:5] = 3, 3, 3, 2, 2
    gains[:5] = 1, 0, 0, 2, 0
    draws = 3000
    shuffled = scores + 0.5 * rng.random((draws, 14))
    theirs = by_ir_measures(shuffled, np.tile(gains, (draws, 1)), [AP, P @ 5, nDCG @ 5, RR])
    ranking, relevant = rank_by_score(scores[None]), (gains > 0)[None]
    ours = {
        AP: average_precision(ranking, relevant),
        P @ 5: precision_at(ranking, relevant, 5),
        nDCG @ 5: ndcg_at(ranking, gains[None].astype(float), 5),
        RR: first_hit(scores[None], relevant).reciprocal_rank(),
    }
    for measure, values in theirs.items():
        error = values.std(ddof=1) / np.sqrt(draws)
        assert ours[measure][0] == pytest.approx(values.mean(), abs=4.5 * error), measure
        assert values.std() > 0.01, measure


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.integers(2, 25), st.integers(1, 10))
def test_tied_ndcg_agrees_with_scikit_learn(seed, entries, k):
    """Its ``ndcg_score`` averages over ties as McSherry and Najork do."""
    rng = np.random.default_rng(seed)
    scores, gains = rng.integers(0, 4, (3, entries)).astype(float), rng.random((3, entries))
    ours = ndcg_at(rank_by_score(scores), gains, k)
    theirs = [ndcg_score(g[None], s[None], k=k) for g, s in zip(gains, scores, strict=True)]
    np.testing.assert_allclose(ours, theirs, atol=1e-9)


@settings(max_examples=8, deadline=None)
@given(SEEDS)
def test_macro_figures_and_their_draws_agree_with_the_references_on_repeated_queries(seed):
    """A draw of the bootstrap is the same list of queries with some patients twice: the references see it so."""
    rng = np.random.default_rng(seed)
    labels, votes = rng.random((24, 3)) < 0.4, rng.integers(0, 6, (24, 3)).astype(float)
    labels[0], labels[1] = True, False
    relevant, scores = rng.random((24, 15)) < 0.3, without_ties(rng, 24, 15)
    relevant[:, 0] = True
    bootstrap = PatientBootstrap([str(i // 2) for i in range(24)], 4, seed=seed)
    area = bootstrap.auroc(labels, votes)
    precision = bootstrap.mean(average_precision(rank_by_score(scores), relevant))
    assert area.value == pytest.approx(roc_auc_score(labels, votes, average="macro"))
    assert area.value == pytest.approx(macro_auroc(labels, votes))
    for draw, weights in enumerate(bootstrap.weights):
        again = np.repeat(np.arange(24), weights.astype(int))
        each = [average_precision_score(relevant[i], scores[i]) for i in again]
        assert precision.draws[draw] == pytest.approx(np.mean(each))
        both = [c for c in range(3) if 0 < labels[again, c].sum() < again.size]
        areas = [roc_auc_score(labels[again, c], votes[again, c]) for c in both]
        assert area.draws[draw] == pytest.approx(np.mean(areas))


def test_exact_pairs_with_duplicates_by_hand():
    """Four pages, three texts; the first two say the same, and page 2's own text ties with page 3's."""
    texts, patients = ["sinus", "sinus", "af", "lbbb"], [None] * 4
    scores = np.array([[0.9, 0.9, 0.1, 0.2], [0.3, 0.3, 0.8, 0.1], [0.5, 0.5, 0.6, 0.6], [0.7, 0.7, 0.2, 0.9]])
    raw = pair_view(texts, patients, ["A"] * 4, "raw", "overall").first_hits(scores)
    assert raw.recall_at(1).tolist() == pytest.approx([1 / 2, 0, 1 / 2, 1])
    assert raw.reciprocal_rank().tolist() == pytest.approx([3 / 4, (1 / 2 + 1 / 3) / 2, 3 / 4, 1])
    group = pair_view(texts, patients, ["A"] * 4, "report group", "overall").first_hits(scores)
    assert group.recall_at(1).tolist() == pytest.approx([1, 0, 1 / 2, 1])
    assert group.reciprocal_rank().tolist() == pytest.approx([1, 1 / 2, 3 / 4, 1])
    view = pair_view(texts, patients, ["A"] * 4, "deduplicated", "overall")
    assert view.rows.tolist() == [0, 2, 3]
    assert view.first_hits(scores).recall_at(1).tolist() == pytest.approx([1, 1 / 2, 1])


def test_a_duplicated_case_counts_twice_and_its_tie_is_shared():
    scores = np.array([[0.9, 0.9, 0.5, 0.5, 0.1]])
    relevant = np.array([[True, False, True, True, False]])
    ranking = rank_by_score(scores)
    # Places 1 and 2 hold one relevant entry, 3 and 4 hold two.
    assert precision_at(ranking, relevant, 1)[0] == pytest.approx(1 / 2)
    assert precision_at(ranking, relevant, 3)[0] == pytest.approx((1 + 1) / 3)
    assert average_precision(ranking, relevant)[0] == pytest.approx(((1 + 1 / 2) / 2 + 2 / 3 + 3 / 4) / 3)
    assert neighbour_vote(scores, relevant.T, 3)[0, 0] == pytest.approx(2 / 3)
    assert neighbour_vote(scores, relevant.T, 1)[0, 0] == pytest.approx(1 / 2)
