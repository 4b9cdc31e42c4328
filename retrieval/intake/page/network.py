"""The small networks that come with the page reader, each loaded once."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from retrieval.intake.page.threads import threads

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


@cache
def network(name: str) -> InferenceSession:
    """The network in ``name``.onnx beside this file, on one thread or two."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_cpu_mem_arena = False  # it would keep a third of a gigabyte after a large page
    options.log_severity_level = 3
    file = Path(__file__).with_name(f"{name}.onnx")
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
