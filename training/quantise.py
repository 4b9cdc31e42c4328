"""Weights as int8 with one scale per row, arithmetic in float: smaller files, and no vector depends on its batch.

Dynamic quantisation scales activations by what else is in the batch; here only the stored weights are rounded.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

MIN_VALUES = 4096
"""Smaller weights stay float: they cost nothing and matter most (norms, biases)."""


def quantise_weights(source: Path, target: Path) -> None:
    """Write ``source`` with every large matrix that a MatMul, Gemm or Gather reads stored as int8.

    Scales are per output column of a MatMul's weight and per row of a Gather's table: max |w| / 127.
    """
    model = onnx.load(str(source))
    axes = _matrices(model.graph)
    kept, added = [], []
    for tensor in model.graph.initializer:
        axis = axes.get(tensor.name)
        if axis is None:
            kept.append(tensor)
            continue
        values = numpy_helper.to_array(tensor)
        whole, scale = _round(values, axis)
        names = [f"{tensor.name}.int8", f"{tensor.name}.scale"]
        kept += [numpy_helper.from_array(whole, names[0]), numpy_helper.from_array(scale, names[1])]
        added.append(helper.make_node("DequantizeLinear", names, [tensor.name], axis=axis))
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    nodes = [*added, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model)
    onnx.save(model, str(target))


def _matrices(graph: onnx.GraphProto) -> dict[str, int]:
    """Names of the weights to round, with the axis that keeps its own scale."""
    large = {t.name: t for t in graph.initializer if int(np.prod(t.dims)) >= MIN_VALUES and len(t.dims) == 2}
    axes: dict[str, int] = {}
    for node in graph.node:
        for place, name in enumerate(node.input):
            if name not in large or large[name].data_type != onnx.TensorProto.FLOAT:
                continue
            if node.op_type == "Gather" and place == 0:
                axes[name] = 0
            elif node.op_type == "MatMul" and place == 1:
                axes[name] = 1
            elif node.op_type == "Gemm" and place == 1:
                axes[name] = 0 if _transposed(node) else 1
    return axes


def _transposed(node: onnx.NodeProto) -> bool:
    return any(a.name == "transB" and a.i == 1 for a in node.attribute)


def _round(values: NDArray[np.float32], axis: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    other = 1 - axis
    scale = np.maximum(np.abs(values).max(axis=other) / 127, 1e-12).astype(np.float32)
    whole = np.rint(values / np.expand_dims(scale, other)).astype(np.int8)
    return whole, scale
