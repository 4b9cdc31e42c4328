"""How a model stands while it trains: the validation fold searched by image and by text, and reports read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from retrieval.corpora.ptbxl import RATE
from retrieval.ecg.encodings import PAGE, Encoding, tower_image
from retrieval.ecg.page import PAPER
from retrieval.ecg.recording import Recording
from retrieval.scoring import macro_auroc, retrieval_scores
from training.case_list import TrainingCase
from training.cases import statement_targets
from training.model import NearBeatModel
from training.reports import TextCase
from training.texts import Texts

TEXTS_AT_ONCE = 256
FEWEST = 10
"""A statement is judged where so many reports state it."""


@torch.inference_mode()
def validate(
    model: NearBeatModel, cases: Sequence[TrainingCase], bank: Texts, device: torch.device, encoding: Encoding
) -> dict[str, float]:
    """Vote AUROC and exact-pair recall on cases, their clean pages against their own reports."""
    model.eval()
    vectors = embed_cases(model, cases, device, encoding)
    said = [(case.texts[0], case.statements, case.patient_key) for case in cases]
    texts = embed_texts(model, [text for text, _, _ in said], bank, device)
    return retrieval_scores(vectors, texts, [s for _, s, _ in said], [key for _, _, key in said], k=20)


def standing(scores: Mapping[str, float]) -> float:
    """By what the epochs of a run are compared: the mean of vote AUROC and exact-pair recall at 10.

    Either alone swings by some hundredths between epochs on a fold of a few hundred ECGs, and an epoch that the vote
    likes best may find a third fewer pairs than the last one.
    """
    return (scores["vote_auroc"] + scores["recall_at_10"]) / 2


@torch.inference_mode()
def read_reports(model: NearBeatModel, cases: Sequence[TextCase], bank: Texts, device: torch.device) -> float:
    """Macro AUROC of the statement head on reports, over what ten or more of them state."""
    model.eval()
    vectors = torch.from_numpy(embed_texts(model, [case.texts[0] for case in cases], bank, device))
    said = model.statements(vectors.to(device)).cpu().numpy()
    labels = statement_targets(case.statements for case in cases) > 0
    enough = (labels.sum(axis=0) >= FEWEST) & ~labels.all(axis=0)
    return macro_auroc(labels[:, enough], said[:, enough]) if enough.any() else math.nan


@torch.inference_mode()
def embed_texts(model: NearBeatModel, texts: Sequence[str], bank: Texts, device: torch.device) -> np.ndarray:
    """Unit vectors ``[n, dim]`` of texts of the run."""
    starts = range(0, len(texts), TEXTS_AT_ONCE)
    return torch.cat([bank.embed(model, texts[i : i + TEXTS_AT_ONCE], device).cpu() for i in starts]).numpy()


@torch.inference_mode()
def embed_cases(
    model: NearBeatModel,
    cases: Sequence[TrainingCase],
    device: torch.device,
    encoding: Encoding = PAGE,
    batch: int = 32,
) -> np.ndarray:
    """Unit vectors ``[n, dim]`` of the canonical pages (or another encoding) of cases, by the model as it trains."""
    rows = []
    for start in range(0, len(cases), batch):
        pages = [tower_image(Recording(case.signal, RATE), encoding) for case in cases[start : start + batch]]
        ink = torch.from_numpy((PAPER - np.stack(pages).astype(np.float32)) / PAPER)[:, None]
        rows.append(model.pages(ink.to(device)).embedding.cpu())
    return torch.cat(rows).numpy()
