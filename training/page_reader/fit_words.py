"""Train the reader of single words: ``python -m training.page_reader.fit_words OUT.onnx``.

It sees the words of drawn and worn patches, found by the same code as at run time. What is shipped as
``retrieval/intake/page/lettering.onnx`` saw 8,935 words; of the tenth that was held back it read 92.8 % right, and
94.2 % of those that are lead names or scales.
"""

from __future__ import annotations

import argparse
import sys
import time
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from retrieval.intake.page.flat import FLAT_PX_PER_MM
from retrieval.intake.page.lettering import CROP, crop_word, pairs_of, word_boxes
from training.page_reader.fit import FIRST_SEED, font_files, make_bank
from training.page_reader.scenes import TEXT, Bank, Scene, draw_scene
from training.page_reader.words import CLASSES
from training.page_reader.worn import worn_ink

Crops = NDArray[np.float16]
PURE = 0.85
"""Share of a found word's ink that must be of one class for the word to count as of it."""


class WordNet(nn.Module):
    """``[n, 2, 24, 80]`` -> logits ``[n, 21]``."""

    def __init__(self) -> None:
        super().__init__()
        widths = (2, 24, 40, 64)
        layers: list[nn.Module] = []
        for into, out in pairwise(widths):
            layers += [nn.Conv2d(into, out, 3, 1, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU(), nn.MaxPool2d(2)]
        self.look = nn.Sequential(*layers)
        self.say = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(64 * CROP[0] * CROP[1] // 64, 96),
            nn.ReLU(),
            nn.Linear(96, len(CLASSES) + 1),
        )

    def forward(self, words: Tensor) -> Tensor:
        """Logits of nothing and each of ``CLASSES``."""
        return self.say(self.look(words))


def words_of(scene: Scene, rng: np.random.Generator) -> tuple[list[Crops], list[int]]:
    """Each word that can be found on a worn scene, and its class."""
    ink = worn_ink(scene, rng)
    size = ink.shape[1], ink.shape[0]
    share = cv2.resize(scene.planes[TEXT], size, interpolation=cv2.INTER_AREA)
    text = (share > rng.uniform(30, 110)) & (ink > 0.25)
    if rng.random() < 0.5:  # the page's network misses some pixels and takes a rim too many
        text &= cv2.resize(rng.random((size[1] // 5, size[0] // 5)).astype(np.float32), size) > rng.uniform(0, 0.25)
    if rng.random() < 0.4:
        text = (cv2.dilate(text.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0) & (ink > 0.25)
    classes = np.asarray(cv2.resize(scene.names, size, interpolation=cv2.INTER_NEAREST), np.uint8)
    crops, kinds = [], []
    words = word_boxes(text)
    for box in (*words, *pairs_of(words)):
        left, top, right, bottom = box
        inside = classes[top:bottom, left:right][text[top:bottom, left:right]]
        counts = np.bincount(inside, minlength=len(CLASSES) + 1)
        kind = int(counts.argmax())
        kinds.append(kind if counts[kind] > PURE * counts.sum() and _whole(classes, box, kind) else 0)
        crops.append(crop_word(ink, text, box).astype(np.float16))
    return crops, kinds


def _whole(classes: NDArray[np.uint8], box: tuple[int, int, int, int], kind: int) -> bool:
    """Whether a found word reaches from end to end of the printed one."""
    left, top, right, bottom = box
    row = classes[(top + bottom) // 2]
    reach = round(0.8 * FLAT_PX_PER_MM)
    return kind == 0 or not ((row[max(0, left - reach)] == kind) or (row[min(len(row) - 1, right + reach)] == kind))


def collect(bank: Bank, fonts: tuple[str, ...], seconds: float) -> tuple[Crops, NDArray[np.int64]]:
    """Words drawn for so many seconds."""
    crops: list[Crops] = []
    kinds: list[int] = []
    begun, seed = time.monotonic(), FIRST_SEED + 500_000
    while time.monotonic() - begun < seconds:
        rng = np.random.default_rng(seed)
        some, classes = words_of(draw_scene(rng, bank, fonts, crowded=True), rng)
        # Words that are none of the classes are many and soon known.
        keep = [i for i, kind in enumerate(classes) if kind or rng.random() < 0.25]
        crops += [some[i] for i in keep]
        kinds += [classes[i] for i in keep]
        seed += 1
    return np.stack(crops), np.array(kinds, np.int64)


def fit(crops: Crops, kinds: NDArray[np.int64], seconds: float) -> WordNet:
    """Learn for so many seconds; a tenth of the words is held back and its hits are printed."""
    torch.manual_seed(0)
    rng, net = np.random.default_rng(FIRST_SEED), WordNet()
    held = len(kinds) // 10
    optimizer = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=1e-2)
    begun, step = time.monotonic(), 0
    while (share := (time.monotonic() - begun) / seconds) < 1:
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * min(1.0, step / 50) * (0.5 + 0.5 * float(np.cos(np.pi * share)))
        chosen = rng.integers(held, len(kinds), 96)
        loss = F.cross_entropy(net(_tensor(crops[chosen])), torch.from_numpy(kinds[chosen]), label_smoothing=0.02)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1
        if step % 200 == 0:
            sys.stderr.write(f"{step} loss {float(loss.detach()):.3f}\n")
    net.eval()
    with torch.no_grad():
        said = net(_tensor(crops[:held])).argmax(dim=1).numpy()
    right = said == kinds[:held]
    sys.stderr.write(f"held {held}: {right.mean():.3f}, of the classes {right[kinds[:held] > 0].mean():.3f}\n")
    return net


def _tensor(crops: Crops) -> Tensor:
    return torch.from_numpy(crops.astype(np.float32))


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--fonts", type=Path, default=Path("/usr/share/fonts"))
    parser.add_argument("--draw-seconds", type=float, default=300.0)
    parser.add_argument("--seconds", type=float, default=240.0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    crops, kinds = collect(make_bank(20), font_files(arguments.fonts), arguments.draw_seconds)
    sys.stderr.write(f"{len(kinds)} words\n")
    net = fit(crops, kinds, arguments.seconds)
    axes = {"words": {0: "n"}, "classes": {0: "n"}}
    torch.onnx.export(
        net, (torch.zeros(1, 2, *CROP),), str(arguments.out), input_names=["words"], output_names=["classes"],
        dynamic_axes=axes, opset_version=17, dynamo=False,
    )  # fmt: skip


if __name__ == "__main__":
    main()
