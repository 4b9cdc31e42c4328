"""A finished run on waveforms that another run starts from: its text tower, and its vectors as what to aim at.

The waveform says more than its page: twelve leads for ten seconds, no ink to be found first. Its network learns in
minutes what a tower on pages needs hours for, and can then say of any page, real or simulated, where it belongs
(distillation: Hinton, Vinyals, Dean, Distilling the Knowledge in a Neural Network, 2015).
"""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from open_clip.timm_model import TimmModel

from retrieval.ecg.page import CANONICAL
from retrieval.errors import BadArgument
from training.model import NearBeatModel
from training.signal_tower import SignalNet, padded
from training.start import TEXT_SIDE, fill, finished_run
from training.whole_folder import whole_folder

TEXT = "text"
_IMAGE = "clip.visual."


class Teacher:
    """The image side of a run of ``encoding: signal``, frozen.

    Args:
        folder: of the run.
        device: where it answers.
        held_out: statements that it must never have seen either.

    Raises:
        BadArgument: when the folder holds no finished run on waveforms, or one that saw what is held out.
    """

    def __init__(self, folder: Path, device: torch.device, held_out: Collection[str] = ()) -> None:
        self.recipe, self.state = finished_run(folder, "teacher", held_out)
        self.visual: Any = TimmModel(self.recipe.image.name, self.recipe.dim, CANONICAL.shape)
        if not isinstance(self.visual.trunk, SignalNet):
            raise BadArgument(f"the teacher {folder} is a run of {self.recipe.image.name}; it must read waveforms")
        own = {name.removeprefix(_IMAGE): value for name, value in self.state.items() if name.startswith(_IMAGE)}
        self.visual.load_state_dict(own)
        self.visual.eval().requires_grad_(False).to(device)

    @torch.no_grad()
    def vectors(self, signal: torch.Tensor, precision: str) -> torch.Tensor:
        """Unit vectors ``[n, dim]`` of waveforms ``[n, 12, samples]`` in mV at 100 Hz, each lead's median at 0."""
        with torch.autocast(signal.device.type, torch.bfloat16, enabled=precision == "bf16"):
            tokens = self.visual.trunk.tokens(padded(signal))
            vectors = self.visual.head(self.visual.trunk.forward_head(tokens))
        return F.normalize(vectors.float(), dim=-1)

    def hand_over(self, model: NearBeatModel) -> None:
        """Start a model from the teacher's text tower, temperature and statement head.

        Raises:
            BadArgument: when the model has another text tower or size of the embedding.
        """
        fill(model, self.state, TEXT_SIDE, "the teacher's text tower")


def copy_text_folder(run: Path, out: Path) -> None:
    """The prepared text tower of a run for another: its vocabulary belongs to the weights."""
    if not (out / "tokenizer.json").is_file():
        with whole_folder(out) as folder:
            shutil.copytree(run / TEXT, folder, dirs_exist_ok=True)
