"""The model card, written from the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from retrieval.towers.bundle import MODEL_FILES
from training.recipe import LOSSES, Stage

_TEXT = """# {name} {version}

An image tower and a text tower of one embedding space, for finding ECGs that resemble an ECG page or fit a sentence.

**Research software. Not a medical device, not a diagnosis.** Its neighbours are evidence to read, no verdict.

| | |
|---|---|
| image tower | `{image_tower}`, {reads}, {image_mb:.1f} MB, float32 |
| text tower | {text_tower}, {text_mb:.1f} MB, {text_weights} |
| embedding | {dim} numbers, unit length |
| licence of the weights | {licence} |

## Trained on

{data}

{stages}{minutes}## Measured on the validation fold (real ECGs)

{metrics}

The test fold's figures, with chance, ceilings and intervals, are in the repository's `docs/evaluation.md`.

## Know before use

* The training ECGs are few, adult, from one archive of the years 1984 to 2001; paced and paediatric ECGs are rare.
* Statements seen rarely in training are found poorly. Simulated ECGs taught part of what the towers know.
* A vector can identify a patient: treat a gallery as you treat the ECGs in it.
* Reports in German, English and, a little, Swedish.
"""


def model_card(card: dict[str, Any], folder: Path) -> str:
    """Markdown from a bundle's card and the files beside it."""
    size = {name: (folder / name).stat().st_size / 1e6 for name in MODEL_FILES}
    rows = "\n".join(f"| {name} | {value:.3f} |" for name, value in card["metrics"].items())
    minutes = card["training_minutes"]
    return _TEXT.format(
        **{
            key: card[key]
            for key in ("name", "version", "image_tower", "text_tower", "text_weights", "dim", "licence")
        },
        reads=_reads(card),
        image_mb=size["image.onnx"],
        text_mb=size["text.onnx"],
        # What a bundle that was started from had learned stands indented below it.
        data="\n".join(f"  {line}" if line.startswith("- ") else f"* {line}" for line in card["training_data"]),
        stages="".join(f"{i}. {line}\n" for i, line in enumerate(card.get("stages", []), 1)) + "\n",
        minutes=f"The run took {minutes:.0f} minutes.\n\n" if minutes else "",
        metrics=f"| metric | value |\n|---|---|\n{rows}" if rows else "Nothing was measured.",
    )


def stage_line(stage: Stage) -> str:
    """A stage in one line: its losses with their weights, and what of the text tower it trains."""
    losses = [f"{name} {getattr(stage, name):g}" for name in LOSSES if getattr(stage, name)]
    line = f"{stage.name}, {stage.epochs} epochs: {', '.join(losses)}"
    if stage.contrastive:
        line += f"; positives by {stage.positives}"
    return line + (f"; last {stage.unlocked_layers} layers of the text tower" if stage.unlocked_layers else "")


def _reads(card: dict[str, Any]) -> str:
    page = "{width} x {height} px".format(**card["page"])
    if "encoding" not in card:
        return f"page of {page} at {card['page']['px_per_mm']:g} px/mm"
    settings = card["encoding"]
    if settings["name"] == "signal":
        return f"the waveform, packed into {page}: it reads recordings, not pictures of pages"
    scale = "each lead by its own maximum" if settings["normalise"] else "a fixed scale in mV"
    return (
        f"{settings['name']} of {settings['seconds']:g} s, {settings['form']}, {scale}, {page}: it reads recordings, "
        "not pictures of pages"
    )
