"""A tiny random bundle with the true inputs and outputs, for tests that need vectors but no quality.

``python -m tests.toy_bundle FOLDER`` writes one.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers

from retrieval.towers.bundle import CARD, FORMAT, MODEL_FILES, file_sha256

DIM = 16


def write_toy_bundle(folder: Path, seed: int = 0, name: str = "toy") -> Path:
    """Average-pool the page to 32 x 64 and project; average random word vectors and project."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    _save(folder / "image.onnx", _image_graph(rng))
    words = ["[UNK]", *"abcdefghijklmnopqrstuvwxyz0123456789"]
    _save(folder / "text.onnx", _text_graph(rng, len(words)))
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.save(str(folder / "tokenizer.json"))
    card = {
        "format": FORMAT,
        "name": name,
        "version": "0",
        "dim": DIM,
        "page": {"width": 512, "height": 256, "px_per_mm": 2.0},
        "text": {"prefix": "", "max_tokens": 64},
        "files": {file: file_sha256(folder / file) for file in MODEL_FILES},
    }
    (folder / CARD).write_text(json.dumps(card))
    return folder


def _image_graph(rng: np.random.Generator) -> onnx.GraphProto:
    weights = numpy_helper.from_array(rng.standard_normal((32 * 64, DIM)).astype(np.float32), "w")
    nodes = [
        helper.make_node("AveragePool", ["pages"], ["small"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Flatten", ["small"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["vectors"]),
    ]
    pages = helper.make_tensor_value_info("pages", TensorProto.FLOAT, ["n", 1, 256, 512])
    return helper.make_graph(nodes, "image", [pages], [_vectors()], [weights])


def _text_graph(rng: np.random.Generator, words: int) -> onnx.GraphProto:
    table = numpy_helper.from_array(rng.standard_normal((words, DIM)).astype(np.float32), "table")
    axes = numpy_helper.from_array(np.array([1], dtype=np.int64), "axes")
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["rows"]),
        helper.make_node("ReduceMean", ["rows", "axes"], ["vectors"], keepdims=0),
    ]
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["n", "t"])
    return helper.make_graph(nodes, "text", [ids], [_vectors()], [table, axes])


def _vectors() -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["n", DIM])


def _save(path: Path, graph: onnx.GraphProto) -> None:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


if __name__ == "__main__":
    write_toy_bundle(Path(sys.argv[1]))
