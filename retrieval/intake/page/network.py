"""The small networks that come with the page reader, each loaded once."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


@cache
def network(name: str) -> InferenceSession:
    """The network in ``name``.onnx beside this file, on one thread, as pages are read in several processes."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # it would keep a third of a gigabyte after a large page
    options.log_severity_level = 3
    file = Path(__file__).with_name(f"{name}.onnx")
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
