"""Train the page reader's network on drawn patches and export it: ``python -m training.page_reader.fit OUT.onnx``.

It needs fonts to print with: every ``.ttf`` under ``--fonts`` (DejaVu and Liberation for what is shipped, as
``retrieval/intake/page/marks.onnx``: 1,800 steps in 1,700 s on two busy cores). How many steps the seconds allow
depends on the machine, so another run gives other weights. The seeds stand apart from those of any benchmark.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import count
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from retrieval.ecg.simulator import simulate
from training.page_reader.net import PageNet
from training.page_reader.scenes import Bank, draw_scene
from training.page_reader.worn import IGNORED, Patch, wear

FIRST_SEED = 7_000_000
KIND_WEIGHTS = (0.25, 1.0, 1.0, 1.0, 1.0)
CROP = 192
CROPS, OLD_CROPS = 4, 8
"""New crops and crops of earlier patches in a step."""


def make_bank(number: int = 60) -> Bank:
    """Leads of simulated ECGs, ``[12 * number, samples]`` mV at 250 Hz."""
    return np.concatenate([simulate(FIRST_SEED + i).recording.signal for i in range(number)]).astype(np.float32)


def make_patch(seed: int, bank: Bank, fonts: tuple[str, ...]) -> Patch:
    """The patch of a seed, always the same."""
    rng = np.random.default_rng(seed)
    return wear(draw_scene(rng, bank, fonts), rng)


def font_files(folder: Path) -> tuple[str, ...]:
    """Fonts to print with.

    Raises:
        SystemExit: when there are none.
    """
    fonts = tuple(sorted(str(file) for file in folder.rglob("*.ttf")))
    if not fonts:
        raise SystemExit(f"no .ttf is under '{folder}'; name a folder of fonts with --fonts")
    return fonts


def crops(patch: Patch, rng: np.random.Generator) -> list[Patch]:
    """Square cuts of a patch."""
    high, wide = patch.ink.shape
    cuts = []
    for _ in range(CROPS):
        y, x = int(rng.integers(0, high - CROP + 1)), int(rng.integers(0, wide - CROP + 1))
        cut = np.s_[y : y + CROP, x : x + CROP]
        cuts.append(Patch(patch.ink[cut], patch.kinds[cut], patch.names[cut]))
    return cuts


def loss_of(net: PageNet, batch: list[Patch]) -> torch.Tensor:
    """Cross entropy of the kinds, and of the names where there is ink of print."""
    ink = torch.from_numpy(np.stack([p.ink for p in batch]))[:, None]
    kinds = torch.from_numpy(np.stack([p.kinds for p in batch]).astype(np.int64))
    names = torch.from_numpy(np.stack([p.names for p in batch]).astype(np.int64))[:, 2::4, 2::4]
    kind_logits, name_logits = net(ink)
    weights = torch.tensor(KIND_WEIGHTS)
    by_kind = F.cross_entropy(kind_logits, kinds, weights, ignore_index=IGNORED)
    near = F.max_pool2d((kinds == 2).float()[:, None], 9, 4, 4)[:, 0, : names.shape[1], : names.shape[2]] > 0
    each = F.cross_entropy(name_logits, names, reduction="none")
    return by_kind + 0.5 * (each * (near * 1.0 + 0.02)).sum() / (near.sum() + 1)


def fit(out: Path, fonts: tuple[str, ...], patches: int, seconds: float, kept: int = 1500) -> PageNet:
    """Draw, learn, and draw again until the patches or the seconds are used up; older patches are seen again."""
    torch.manual_seed(0)
    rng = np.random.default_rng(FIRST_SEED)
    bank, net = make_bank(), PageNet()
    optimizer = torch.optim.AdamW(net.parameters(), 3e-3, weight_decay=1e-3)
    pool: list[Patch] = []
    begun, shown = time.monotonic(), 0.0
    drawn = _patches(bank, fonts)
    for step in range(patches):
        share = max(step / patches, (time.monotonic() - begun) / seconds)
        if share >= 1:
            break
        for group in optimizer.param_groups:
            group["lr"] = 3e-3 * min(1.0, step / 50) * max(0.02, 0.5 + 0.5 * float(np.cos(np.pi * share)))
        pool.extend(crops(next(drawn), rng))
        pool = pool[-4 * kept :]
        batch = pool[-CROPS:] + [pool[int(i)] for i in rng.integers(0, len(pool), OLD_CROPS)]
        loss = loss_of(net, batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        shown = 0.98 * shown + 0.02 * float(loss.detach()) if step else float(loss.detach())
        if step % 100 == 0:
            sys.stderr.write(f"{step} {time.monotonic() - begun:.0f} s loss {shown:.3f}\n")
            export(net, out)
    export(net, out)
    save_file(net.state_dict(), out.with_suffix(".safetensors"))
    return net


def _patches(bank: Bank, fonts: tuple[str, ...]) -> Iterator[Patch]:
    """Patches without end, drawn ahead by another process."""
    with ProcessPoolExecutor(1) as painter:
        ahead = deque(painter.submit(make_patch, FIRST_SEED + 1000 + i, bank, fonts) for i in range(8))
        for i in count(8):
            yield ahead.popleft().result()
            ahead.append(painter.submit(make_patch, FIRST_SEED + 1000 + i, bank, fonts))


def export(net: PageNet, out: Path) -> None:
    """Write the network as ONNX with free height and width."""
    net.eval()
    axes = {"ink": {2: "height", 3: "width"}, "kinds": {2: "height", 3: "width"}, "names": {2: "h4", 3: "w4"}}
    torch.onnx.export(
        net, (torch.zeros(1, 1, 64, 64),), str(out), input_names=["ink"], output_names=["kinds", "names"],
        dynamic_axes=axes, opset_version=17, dynamo=False,
    )  # fmt: skip
    net.train()


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--fonts", type=Path, default=Path("/usr/share/fonts"))
    parser.add_argument("--patches", type=int, default=6000)
    parser.add_argument("--seconds", type=float, default=1700.0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    fit(arguments.out, font_files(arguments.fonts), arguments.patches, arguments.seconds)


if __name__ == "__main__":
    main()
