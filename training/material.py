"""What a recipe trains on and is judged by, read and checked: no patient stands on both sides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from retrieval.errors import CorpusError
from training.case_list import Cases, JoinedCases, KeptCases, without_statements
from training.cases import WORDINGS, LoadedCorpus, load_corpus
from training.progress import Told
from training.recipe import Recipe
from training.reports import TextCase, load_texts

TEXTS_A_CASE = 2 + 2 * WORDINGS
"""The most texts that a case has: its report, wordings in two languages, and the short forms."""


@dataclass(frozen=True)
class Material:
    """The corpora of a run, its validation cases, and texts without ECGs, to learn from and to judge by."""

    corpora: tuple[LoadedCorpus, ...]
    cases: Cases
    validation: Cases
    text_cases: tuple[TextCase, ...]
    unseen_texts: tuple[TextCase, ...]

    def texts(self, with_reports: bool) -> Iterator[str]:
        """The texts that the run reads, with or without the reports that come without ECGs."""
        for cases in (self.cases, self.validation):
            for texts in cases.texts():
                yield from texts
        for case in self.text_cases if with_reports else ():
            yield from case.texts
        for case in self.unseen_texts:
            yield case.texts[0]

    def fits(self, texts: int) -> bool:
        """Whether so many texts are enough to keep all of them; cases in shards are counted and not read."""
        lazy = [cases for cases in (self.cases, self.validation) if not cases.kept]
        return TEXTS_A_CASE * sum(map(len, lazy)) <= texts


def load_material(recipe: Recipe, told: Told) -> Material:
    """Read everything that a recipe names, and tell what was missing.

    Raises:
        CorpusError: when a patient stands on both sides of the split.
    """
    corpora, validation = _load_cases(recipe, told)
    seen, unseen = _load_reports(recipe, told)
    return Material(corpora, JoinedCases([corpus.cases for corpus in corpora]), validation, seen, unseen)


def _load_cases(recipe: Recipe, told: Told) -> tuple[tuple[LoadedCorpus, ...], Cases]:
    loaded: list[LoadedCorpus] = []
    for spec in recipe.corpora:
        with told.busy(f"reading {spec.kind}"):
            corpus = load_corpus(spec, recipe.seed, loaded)
            loaded.append(replace(corpus, cases=without_statements(corpus.cases, recipe.held_out)))
        lost = f", {loaded[-1].missing} of its records have no files here" if loaded[-1].missing else ""
        told.line(f"{spec.kind}: {len(loaded[-1].cases)} cases{lost}")
    validation = load_corpus(recipe.validation, recipe.seed).cases if recipe.validation else KeptCases(())
    trained = {key for corpus in loaded for key in corpus.cases.patient_keys() if key}
    shared = sorted(trained & {key for key in validation.patient_keys() if key})
    if shared:
        raise CorpusError(
            f"{len(shared)} patients ({shared[0]}, …) are trained on and validated on; split by patient"
        )
    return tuple(loaded), validation


def _load_reports(recipe: Recipe, told: Told) -> tuple[tuple[TextCase, ...], tuple[TextCase, ...]]:
    """The texts without ECGs that a recipe learns from, and the reports of the validation fold to judge that by."""
    if recipe.reports is None:
        return (), ()
    with told.busy("reading reports"):
        everything = load_texts(recipe.reports, recipe.seed)
        seen = tuple(case for case in everything if not set(recipe.held_out) & set(case.statements))
        held = recipe.validation
        folds = held.folds if held is not None and held.kind == "ptbxl" else ""
        unseen = load_texts(replace(recipe.reports, folds=folds), recipe.seed, terms=False) if folds else ()
    told.line(f"reports: {len(seen)} texts to learn from, {len(unseen)} to judge by")
    return seen, unseen
