"""The texts of a run as vectors: each kept with what the frozen trunk answers, or run when it is asked for."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

from training.model import NearBeatModel
from training.recipe import TextTower

BATCH = 64
Progress = Callable[[int], None]


class Texts(ABC):
    """What turns texts of a run into vectors."""

    @property
    @abstractmethod
    def light(self) -> bool:
        """Whether only the projection runs, and with a graph."""

    @abstractmethod
    def embed(
        self, model: NearBeatModel, texts: Sequence[str], device: torch.device, precision: str = "float32"
    ) -> torch.Tensor:
        """Unit embeddings ``[n, dim]`` of these texts."""


@dataclass(frozen=True)
class TextBank(Texts):
    """Texts and their rows: ``tokens`` has one list of ids a text, ``features`` is ``[texts, width]`` or ``None``."""

    row: dict[str, int]
    tokens: tuple[tuple[int, ...], ...]
    features: torch.Tensor | None
    pad: int

    @property
    def light(self) -> bool:
        """Whether the trunk's answers are kept."""
        return self.features is not None

    def padded(self, rows: Sequence[int]) -> torch.Tensor:
        """Token ids ``[n, longest]`` of these rows."""
        return padded([self.tokens[i] for i in rows], self.pad)

    def embed(
        self, model: NearBeatModel, texts: Sequence[str], device: torch.device, precision: str = "float32"
    ) -> torch.Tensor:
        """Unit embeddings ``[n, dim]``, from the kept features or through the whole tower."""
        rows = [self.row[text] for text in texts]
        if self.features is not None:
            return model.texts(self.features[rows].to(device))
        return _through(model, self.padded(rows), device, precision)


@dataclass(frozen=True)
class TextStream(Texts):
    """Texts too many to keep: those of a batch are tokenised and run when they are asked for."""

    tokenizer: Tokenizer
    settings: TextTower
    pad: int
    trains: bool

    @property
    def light(self) -> bool:
        """Whether the trunk stays as it is."""
        return not self.trains

    def embed(
        self, model: NearBeatModel, texts: Sequence[str], device: torch.device, precision: str = "float32"
    ) -> torch.Tensor:
        """Unit embeddings ``[n, dim]`` through the whole tower; of a frozen trunk without a graph."""
        ids = padded(tokenize(texts, self.tokenizer, self.settings), self.pad)
        if self.trains:
            return _through(model, ids, device, precision)
        tower = model.text_tower
        mask = (ids != self.pad).long().to(device)
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            features = tower.pooler(tower.transformer(input_ids=ids.to(device), attention_mask=mask), mask)
        return model.texts(features.float())


def padded(tokens: Sequence[Sequence[int]], pad: int) -> torch.Tensor:
    """Token ids ``[n, longest]``, filled up on the right."""
    longest = max(len(ids) for ids in tokens)
    return torch.tensor([[*ids, *[pad] * (longest - len(ids))] for ids in tokens])


def _through(model: NearBeatModel, ids: torch.Tensor, device: torch.device, precision: str) -> torch.Tensor:
    with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
        vectors = model.clip.encode_text(ids.to(device))
    return torch.nn.functional.normalize(vectors.float(), dim=-1)


def tokenize(texts: Sequence[str], tokenizer: Tokenizer, settings: TextTower) -> tuple[tuple[int, ...], ...]:
    """Token ids with the tower's prefix, cut to its length."""
    encoded = tokenizer.encode_batch([settings.prefix + text for text in texts])
    return tuple(tuple(item.ids[: settings.max_tokens]) for item in encoded)


def build_bank(
    texts: Sequence[str],
    tokenizer: Tokenizer,
    settings: TextTower,
    model: NearBeatModel,
    keep: Path | None,
    told: Progress,
) -> TextBank:
    """Tokenise the distinct texts; run a frozen trunk over them once and keep its answers in the file ``keep``.

    Without ``keep`` the trunk trains, and texts go through the whole tower each time.
    """
    distinct = sorted(set(texts))
    tokens = tokenize(distinct, tokenizer, settings)
    pad = int(model.text_tower.config.pad_token_id)
    bank = TextBank({text: i for i, text in enumerate(distinct)}, tokens, None, pad)
    if keep is None or not distinct:
        return bank
    return TextBank(bank.row, tokens, _features(bank, model, keep, told), pad)


def _features(bank: TextBank, model: NearBeatModel, keep: Path, told: Progress) -> torch.Tensor:
    mark = hashlib.sha256(repr((bank.tokens, _trunk_mark(model))).encode()).hexdigest()
    if keep.is_file():
        with np.load(keep, allow_pickle=False) as data:
            if str(data["mark"]) == mark:
                told(len(bank.tokens))
                return torch.from_numpy(data["features"])
    order = sorted(range(len(bank.tokens)), key=lambda i: len(bank.tokens[i]))
    tower = model.text_tower
    trunk, pooler = tower.transformer.eval(), tower.pooler
    rows = torch.zeros(len(order), tower.config.hidden_size)
    with torch.inference_mode():
        for start in range(0, len(order), BATCH):
            part = order[start : start + BATCH]
            ids = bank.padded(part).to(trunk.device)
            mask = (ids != bank.pad).long()
            rows[part] = pooler(trunk(input_ids=ids, attention_mask=mask), mask).float().cpu()
            told(len(part))
    np.savez(keep, mark=np.array(mark), features=rows.numpy())
    return rows


def _trunk_mark(model: NearBeatModel) -> str:
    """Of the weights' bytes; their sums would depend on the number of threads."""
    digest = hashlib.sha256()
    for name, value in model.text_tower.transformer.state_dict().items():
        digest.update(name.encode())
        digest.update(value.detach().float().cpu().numpy().tobytes())
    return digest.hexdigest()
