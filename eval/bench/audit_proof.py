"""The audit against reports that are known to be wrong, because we made them so.

``python -m eval.bench.audit_proof --ptbxl FOLDER`` plants wrong reports in 5 % of fold 10 of PTB-XL and prints, as
Markdown, how well the audit finds them; ``--simulated N`` does the same with N simulated ECGs against N others, and
runs anywhere. Figures are means over 20 seeds of the planting with the range of the middle 95 % of them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eval.bench.audit_planting import (
    BOTH,
    KINDS,
    WAYS,
    Ecgs,
    Kind,
    Setting,
    Texts,
    plant,
)
from eval.embedding import embed_pages
from retrieval.auditing.discoveries import p_values, q_values
from retrieval.corpora.ptbxl import PtbXl
from retrieval.scoring import auroc
from retrieval.streams import NewCase, simulated_cases
from retrieval.towers.bundle import Bundle

SEEDS = 20
AT = (50, 100, 200)
LEVELS = (0.05, 0.1, 0.2)
TRUSTED = 0.25
"""Share of the archive that a person is taken to have checked: what was planted there is found, and stands aside."""
Scores = dict[str, NDArray[np.float64]]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Part:
    """One seed's figures for one way of ordering."""

    precision: tuple[float, ...]
    recall: float
    area: float


@dataclass(frozen=True)
class Flags:
    """One seed's flags at one level: how many, the share of false ones, and the share of the planted found."""

    many: int
    false: float
    found: float


@dataclass(frozen=True)
class Found:
    """One seed's figures: by way of ordering, by reference and level, and how many reports were planted."""

    parts: dict[str, Part]
    flags: dict[tuple[str, float], Flags]
    planted: int


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--ptbxl", type=Path, help="folder of PTB-XL")
    source.add_argument("--simulated", type=int, help="number of simulated ECGs")
    parser.add_argument("--fold", type=int, default=10, help="the archive; choices are made on 9")
    parser.add_argument("--bundle", type=Path, help="folder of a bundle; by default the one that is shipped")
    parser.add_argument("--cache", type=Path, help="folder that keeps the vectors of the pages")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    args = parser.parse_args(arguments)
    bundle = Bundle.load(args.bundle)
    texts = Texts(bundle.encode_texts, args.cache and args.cache / f"texts-{bundle.sha256[:16]}.npz")
    if args.ptbxl is not None:
        settings = ptbxl_settings(args.ptbxl, bundle, texts, args.cache, args.fold)
    else:
        settings = simulated_settings(args.simulated, bundle, texts)
    line(f"Bundle {bundle.name} {bundle.card['version']} ({bundle.sha256[:12]}), {args.seeds} seeds.")
    for name, setting in settings:
        report(name, setting, args.seeds)


def ptbxl_settings(
    folder: Path, bundle: Bundle, texts: Texts, cache: Path | None, fold: int
) -> list[tuple[str, Setting]]:
    """Fold 10 (or 9) against folds 1 to 8, and among ECGs that the towers were not trained on."""
    corpus = PtbXl.open(folder)
    rows = [row for row in corpus.rows if corpus.present(row)]
    (embedded,), _ = embed_pages(corpus, rows, [bundle], cache, lambda done, total: None)
    kept = set(embedded.ids.tolist())
    rows = [row for row in rows if row.ecg_id in kept]

    def part(folds: Iterable[int]) -> Ecgs:
        wanted = set(folds)
        chosen = [row for row in rows if row.fold in wanted]
        vectors = embedded.of([row.ecg_id for row in chosen]).astype(np.float32)
        return Ecgs(
            tuple(row.case_id for row in chosen),
            tuple(row.statements for row in chosen),
            tuple(row.report if any(map(str.isalnum, row.report)) else "no report" for row in chosen),
            tuple(row.patient_key for row in chosen),
            vectors,
        )

    archive, trained = part([fold]), part(range(1, 9))
    untrained = archive if fold == 9 else archive.joined(part([9]))
    return [
        (f"PTB-XL fold {fold} ({len(archive)}) against folds 1-8 ({len(trained)})", Setting(archive, trained, texts)),
        (
            f"PTB-XL fold {fold} ({len(archive)}) against itself{' and fold 9' if fold != 9 else ''} "
            f"({len(untrained)}), none of which the towers were trained on",
            Setting(archive, untrained, texts, itself=True),
        ),
    ]


def simulated_settings(number: int, bundle: Bundle, texts: Texts) -> list[tuple[str, Setting]]:
    """As many simulated ECGs for the archive as for the gallery, of other seeds."""

    def part(first: int) -> Ecgs:
        made: list[NewCase] = list(simulated_cases(number, first))
        images = [bundle.image_of(one.page, one.recording) for one in made]
        blocks = [bundle.encode_pages(images[i : i + 32]) for i in range(0, number, 32)]
        return Ecgs(
            tuple(one.case.case_id for one in made),
            tuple(one.case.statements for one in made),
            tuple(one.case.report for one in made),
            tuple(one.case.patient_key for one in made),
            np.concatenate(blocks),
        )

    gallery, archive = part(0), part(1_000_000)
    return [(f"SIMULATED: {number} against {number} others", Setting(archive, gallery, texts))]


def report(name: str, setting: Setting, seeds: int) -> None:
    """The tables of one setting."""
    line(f"\n### {name}\n")
    for kind in KINDS:
        base = setting
        if kind == "drop":
            base = Setting(setting.archive.worded(), setting.gallery.worded(), setting.texts, setting.itself)
        right = base.scores()
        reference = None if setting.itself else _reference(base)
        found = [one_seed(base, right, reference, kind, seed) for seed in range(seeds)]
        _ranking_table(kind, [one.parts for one in found], len(setting.archive), found[0].planted)
        _flags_table([one.flags for one in found])


def one_seed(setting: Setting, right: Scores, reference: Floats | None, kind: Kind, seed: int) -> Found:
    """The figures of one planting.

    Args:
        setting: with reports that are taken to be right.
        right: its scores.
        reference: scores of the gallery's cases; None where the gallery is the archive.
        kind: of the wrong reports.
        seed: of the planting.
    """
    wrong, places = plant(setting.archive, kind, seed)
    scores = _scores(setting, right, wrong, places)
    labels = np.zeros(len(setting.archive), dtype=np.bool_)
    labels[sorted(places)] = True
    flags: dict[tuple[str, float], Flags] = {}
    if reference is not None:
        q = q_values(p_values(scores[BOTH], reference))
        flags |= {("gallery", level): _flags(labels, q, level) for level in LEVELS}
    checked = np.random.default_rng(10_000 + seed).random(len(labels)) < TRUSTED
    rest = ~checked
    q = q_values(p_values(scores[BOTH][rest], scores[BOTH][checked & ~labels]))
    flags |= {("trusted", level): _flags(labels[rest], q, level) for level in LEVELS}
    return Found({way: _part(labels, scores[way]) for way in WAYS}, flags, len(places))


def _scores(setting: Setting, right: Scores, wrong: Ecgs, places: set[int]) -> Scores:
    """Where the gallery is the archive itself, the wrong reports vote as well, and all is judged anew."""
    changed = setting.with_reports(wrong)
    if setting.itself:
        return changed.scores()
    rows = sorted(places)
    scores = {way: values.copy() for way, values in right.items()}
    for way, values in changed.scores(rows).items():
        scores[way][rows] = values
    return scores


def _reference(setting: Setting) -> NDArray[np.float64]:
    """The gallery's own cases, each against the others, as the audit judges them."""
    return Setting(setting.gallery, setting.gallery, setting.texts, itself=True).scores()[BOTH]


def _part(labels: NDArray[np.bool_], scores: NDArray[np.float64]) -> Part:
    order = np.argsort(-scores, kind="stable")
    hits = labels[order]
    return Part(tuple(float(hits[:n].mean()) for n in AT), float(hits[: labels.sum()].mean()), auroc(labels, scores))


def _flags(labels: NDArray[np.bool_], q: NDArray[np.float64], level: float) -> Flags:
    chosen = q <= level
    many = int(chosen.sum())
    false = float((~labels[chosen]).mean()) if many else 0.0
    return Flags(many, false, float(chosen[labels].mean()))


def _ranking_table(kind: Kind, found: list[dict[str, Part]], count: int, planted: int) -> None:
    wrong = {"swap": "another superclass's report", "drop": "a finding left out"}[kind]
    line(f"**{wrong}** ({planted} of {count})\n")
    line(
        "| order | " + " | ".join(f"precision at {n}, %" for n in AT) + " | recall at as many as planted, % | AUROC |"
    )
    line("|---|" + "---|" * (len(AT) + 2))
    ceiling = " | ".join(f"{100 * min(1, planted / n):.0f}" for n in AT)
    line(f"| *ceiling: a perfect flag* | {ceiling} | 100 | 1 |")
    chance = f"{100 * planted / count:.1f}"
    line(f"| *random order* | {' | '.join([chance] * len(AT))} | {chance} | 0.5 |")
    for way in WAYS:
        parts = [one[way] for one in found]
        cells = [span([100 * part.precision[i] for part in parts]) for i in range(len(AT))]
        cells += [span([100 * part.recall for part in parts]), span([part.area for part in parts], 3)]
        line(f"| {way} | {' | '.join(cells)} |")
    line("")


def _flags_table(found: list[dict[tuple[str, float], Flags]]) -> None:
    line("| reference | aimed at, % | false flags, % (their mean is what is promised) | planted found, % | flags |")
    line("|---|---|---|---|---|")
    for reference, level in found[0]:
        flags = [one[reference, level] for one in found]
        named = {"gallery": "the gallery's cases", "trusted": "trusted ECGs, a quarter of the archive"}[reference]
        cells = (
            mean_and_error([100 * flag.false for flag in flags]),
            span([100 * flag.found for flag in flags]),
            span([float(flag.many) for flag in flags], 0),
        )
        line(f"| {named} | {100 * level:.0f} | {' | '.join(cells)} |")
    line("")


def span(values: Sequence[float], digits: int = 1) -> str:
    """Mean and the range of the middle 95 %."""
    low, high = np.quantile(values, [0.025, 0.975])
    return f"{np.mean(values):.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def mean_and_error(values: Sequence[float]) -> str:
    """Mean with the 95 % interval of the mean."""
    mean, error = float(np.mean(values)), 1.96 * float(np.std(values, ddof=1)) / len(values) ** 0.5
    return f"{mean:.1f} ± {error:.1f}"


def line(text: str) -> None:
    """A line of Markdown."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
