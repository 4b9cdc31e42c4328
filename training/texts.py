"""Every text of a corpus once: its tokens, and what the frozen trunk of the text tower answers."""

from __future__ import annotations

import hashlib
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


@dataclass(frozen=True)
class TextBank:
    """Texts and their rows: ``tokens`` has one list of ids a text, ``features`` is ``[texts, width]`` or ``None``."""

    row: dict[str, int]
    tokens: tuple[tuple[int, ...], ...]
    features: torch.Tensor | None
    pad: int

    def padded(self, rows: Sequence[int]) -> torch.Tensor:
        """Token ids ``[n, longest]`` of these rows."""
        longest = max(len(self.tokens[i]) for i in rows)
        return torch.tensor([[*self.tokens[i], *[self.pad] * (longest - len(self.tokens[i]))] for i in rows])

    def embed(
        self, model: NearBeatModel, rows: Sequence[int], device: torch.device, precision: str = "float32"
    ) -> torch.Tensor:
        """Unit embeddings ``[n, dim]`` of these rows, from the kept features or through the whole tower."""
        if self.features is not None:
            return model.texts(self.features[list(rows)].to(device))
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            vectors = model.clip.encode_text(self.padded(rows).to(device))
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
    digest = hashlib.sha256()
    for name, value in model.text_tower.transformer.state_dict().items():
        digest.update(name.encode() + value.detach().float().sum().cpu().numpy().tobytes())
    return digest.hexdigest()
