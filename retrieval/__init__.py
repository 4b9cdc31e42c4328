"""An ECG or a sentence in, the nearest documented cases out.

>>> from retrieval import open_gallery  # doctest: +SKIP
>>> answer = open_gallery("my-gallery").query("ecg.pdf", k=5)  # doctest: +SKIP
>>> [(hit.case_id, hit.score, hit.report) for hit in answer.hits]  # doctest: +SKIP
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

# ONNX Runtime's own wheels report to Microsoft since 1.29, from its import on; this is asked before it does.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from retrieval.answer import Answer, Hit
    from retrieval.engine import Engine, open_gallery

__all__ = ["Answer", "Engine", "Hit", "open_gallery"]

_HOMES = {
    "Answer": "retrieval.answer",
    "Hit": "retrieval.answer",
    "Engine": "retrieval.engine",
    "open_gallery": "retrieval.engine",
}


def __getattr__(name: str) -> Any:
    """Import on first use: ``import retrieval.app.main`` must not pay for numpy, FAISS and ONNX Runtime."""
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module 'retrieval' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)
