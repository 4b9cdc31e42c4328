"""Task 5, robustness: tasks 1, 2 and 4 asked with pictures of the same ECGs, read back by intake, and what it costs.

Galleries stay what they are: clean pages of folds 1 to 8 in tasks 1 and 4, the reports of fold 10 in task 2, and from
report to page the clean pages of fold 10, of which only the one that is sought is replaced by its picture. A refused
page finds nothing: 0 in nDCG and recall, and each pair of ECGs that it belongs to counts half in the AUROC, as for a
coin. A second line leaves the refused ones out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from eval.bootstrap import Estimate, PatientBootstrap
from eval.embedding import Progress
from eval.measures import Measure, Unit
from eval.metrics.pairs import Form, Scope
from eval.metrics.ranking import ndcg_at, rank_by_score
from eval.metrics.vote_area import vote_area
from eval.reading import ReadPage
from eval.relevance import classes_of, inverse_frequency, statement_matrix, weighted_jaccard
from eval.split import Split
from eval.systems import System, Vectors
from eval.tasks.asked_pairs import DIRECTIONS, AskedPairs, K, pair_name
from eval.tasks.votes import choose_vote
from retrieval.scoring import Bools, Floats, cosine, neighbour_vote, other_patients

__all__ = ["CLEAN", "LEFT_OUT", "Seen", "drawn_by_patient", "robustness_measures"]

CLEAN = "drawn from the samples, no picture"
LEFT_OUT = ", refused left out"
AUROC = "superclass vote macro AUROC"
NDCG = "page to case nDCG@10"
PAIRS: tuple[tuple[Form, Scope], ...] = (("deduplicated", "within device"), ("raw", "overall"))
HEADLINES = ("photo, strength 2", "prints of another renderer")
Places = NDArray[np.intp]


def drawn_by_patient(patients: Sequence[str | None], count: int, seed: int = 0) -> Places:
    """Rows of ``count`` ECGs, patient after patient in an order drawn by the seed; more ECGs hold fewer ones."""
    keys = [key if key is not None else f"ECG {i}" for i, key in enumerate(patients)]
    order = np.random.default_rng(seed).permutation(sorted(set(keys)))
    place = {str(key): i for i, key in enumerate(order)}
    return np.argsort([place[key] for key in keys], kind="stable")[:count].astype(np.intp)


@dataclass(frozen=True)
class Seen:
    """The ECGs of fold 10 that came as pictures in one look, and what intake made of them.

    Args:
        name: of the look.
        pages: one for each of the ECGs that are asked with.
    """

    name: str
    pages: Sequence[ReadPage]

    @property
    def read(self) -> Bools:
        """``[n]``: which were read."""
        return np.array([page.pixels is not None for page in self.pages], dtype=np.bool_)

    @property
    def refusals(self) -> list[str]:
        """The reasons in words, one for each page that was refused."""
        return [page.refusal for page in self.pages if page.pixels is None]

    def vectors(self, system: System) -> Vectors:
        """Vectors ``[read, dim]`` of the pages that were read."""
        pages = [page.pixels for page in self.pages if page.pixels is not None]
        return system.encode_pages(pages) if pages and system.encode_pages is not None else system.queries[:0]


def robustness_measures(
    split: Split,
    systems: Sequence[System],
    rows: Places,
    looks: Sequence[Seen],
    draws: int,
    name: str = CLEAN,
    progress: Progress | None = None,
) -> list[Measure]:
    """The lines of task 5: the clean pages first, then each look with its paired change from them.

    Args:
        split: of the protocol.
        systems: those that read pages take part.
        rows: positions of the ECGs among the queries.
        looks: each with a page for every one of the rows, in that order.
        draws: of the bootstrap, by patient.
        name: of the line of the clean pages.
        progress: is told (done, all) looks of all systems, each of which is encoded.
    """
    ecgs = _Ecgs(split, rows)
    bootstrap = PatientBootstrap(ecgs.patients, draws)
    readers = [system for system in systems if system.encode_pages is not None]
    found: dict[str, dict[str, _Figures]] = {name: {}, **{look.name: {} for look in looks}}
    done = 0
    for system in readers:
        asked = _Asked(ecgs, system)
        all_read = np.ones(len(rows), dtype=np.bool_)
        found[name][system.name] = asked.figures(system.queries[rows], all_read)
        for look in looks:
            found[look.name][system.name] = asked.figures(look.vectors(system), look.read)
            done += 1
            if progress is not None:
                progress(done, len(readers) * len(looks))
    lines = _lines(name, found[name], found[name], bootstrap, ecgs, refused=None)
    for look in looks:
        refused = int((~look.read).sum())
        lines += _lines(look.name, found[look.name], found[name], bootstrap, ecgs, refused)
        if 0 < refused < len(rows):
            lines += _lines_of_read(look, found[look.name], found[name], bootstrap, ecgs)
    return lines


@dataclass(frozen=True)
class _Figures:
    """What one system reaches with each of n ECGs.

    Args:
        by_query: metric to ``[n]``, 0 where the page was refused, NaN where the ECG takes no part.
        votes: ``[n, classes]``; NaN where the page was refused.
    """

    by_query: Mapping[str, Floats]
    votes: Floats


class _Ecgs:
    """The ECGs that are asked with, and what counts as right for them."""

    def __init__(self, split: Split, rows: Places) -> None:
        self.split, self.rows = split, rows
        queries = split.queries
        patients, statements = queries.patients, queries.statements
        self.patients = [patients[i] for i in rows]
        self.allowed = other_patients(self.patients, split.gallery.patients)
        theirs = statement_matrix(split.gallery.statements)
        ours = statement_matrix([statements[i] for i in rows])
        self.gains = weighted_jaccard(ours, theirs, inverse_frequency(theirs)) * self.allowed
        self.classes = classes_of("superclass", statements, split.gallery.statements)
        self.labels = self.classes.queries[rows]
        self.pairs: list[tuple[Form, Scope, AskedPairs]] = []
        for form, scope in PAIRS:
            self.pairs.append((form, scope, AskedPairs.of(split, rows, form, scope)))

    @cached_property
    def metrics(self) -> list[tuple[str, Unit]]:
        """Names and units, in the order of the table."""
        names = [pair_name(way, form, scope) for form, scope, _ in self.pairs for way in DIRECTIONS]
        vote: list[tuple[str, Unit]] = [(AUROC, "area")] if self.classes.names else []
        return [(NDCG, "%"), *vote, *((name, "%") for name in names)]


class _Asked:
    """One system's clean side: galleries, reports and the vote, made once for all looks."""

    def __init__(self, ecgs: _Ecgs, system: System) -> None:
        self._ecgs, self._system = ecgs, system
        self._vote = choose_vote(ecgs.split, system)
        asked = np.unique(np.concatenate([pairs.ecgs for _, _, pairs in ecgs.pairs]))
        vectors = system.text_vectors([ecgs.split.queries.rows[i].report for i in asked])
        self._texts = [
            None if vectors is None else vectors[np.searchsorted(asked, pairs.ecgs)] for _, _, pairs in ecgs.pairs
        ]

    def figures(self, pictures: Vectors, read: Bools) -> _Figures:
        """Of the pictures ``[read, dim]``."""
        ecgs, queries = self._ecgs, self._system.queries
        votes = np.full(ecgs.labels.shape, np.nan)
        graded = np.zeros(len(read))
        graded[~(ecgs.gains > 0).any(axis=1)] = np.nan
        if read.any():
            scores = cosine(pictures, self._system.gallery)
            allowed = ecgs.allowed[read]
            graded[read] = ndcg_at(rank_by_score(scores, allowed), ecgs.gains[read], K)
            votes[read] = neighbour_vote(np.where(allowed, scores, -np.inf), ecgs.classes.gallery, *self._vote)
        by_query = {NDCG: graded}
        for (form, scope, pairs), texts in zip(ecgs.pairs, self._texts, strict=True):
            if texts is not None:
                for way in DIRECTIONS:
                    found = pairs.recall(way, pictures, read, queries[pairs.ecgs], texts)
                    by_query[pair_name(way, form, scope)] = found
        return _Figures(by_query, votes)


def _lines(
    name: str,
    found: Mapping[str, _Figures],
    clean: Mapping[str, _Figures],
    bootstrap: PatientBootstrap,
    ecgs: _Ecgs,
    refused: int | None,
) -> list[Measure]:
    lines: list[Measure] = []
    for metric, unit in ecgs.metrics:
        scores = _estimates(found, metric, bootstrap, ecgs.labels)
        base = _estimates(clean, metric, bootstrap, ecgs.labels)
        change = {} if refused is None else {key: score.minus(base[key]) for key, score in scores.items()}
        headline = metric in (NDCG, AUROC) and name in HEADLINES
        lines.append(Measure(5, name, metric, unit, scores, headline=headline, change=change, refused=refused))
    return lines


def _lines_of_read(
    look: Seen,
    found: Mapping[str, _Figures],
    clean: Mapping[str, _Figures],
    bootstrap: PatientBootstrap,
    ecgs: _Ecgs,
) -> list[Measure]:
    """The same of the ECGs that were read in this look, and of nobody else."""
    lines: list[Measure] = []
    keep = np.flatnonzero(look.read)
    for metric, unit in ecgs.metrics:
        scores = _estimates(found, metric, bootstrap, ecgs.labels, keep)
        base = _estimates(clean, metric, bootstrap, ecgs.labels, keep)
        change = {key: score.minus(base[key]) for key, score in scores.items()}
        lines.append(Measure(5, look.name + LEFT_OUT, metric, unit, scores, change=change, refused=0))
    return lines


def _estimates(
    found: Mapping[str, _Figures],
    metric: str,
    bootstrap: PatientBootstrap,
    labels: Bools,
    keep: Places | None = None,
) -> dict[str, Estimate]:
    """Of all systems that have the metric; with ``keep``, over these ECGs in the same draws."""
    chosen = slice(None) if keep is None else keep
    if keep is not None:
        bootstrap = bootstrap.only(keep)
    if metric == AUROC:
        return {key: vote_area(bootstrap, labels[chosen], figures.votes[chosen]) for key, figures in found.items()}
    named = {key: figures.by_query[metric] for key, figures in found.items() if metric in figures.by_query}
    return {key: bootstrap.mean(values[chosen]) for key, values in named.items()}
