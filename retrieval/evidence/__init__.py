"""What an answer's cases say and how far to trust it: percentiles, the vote, a contrary case, cautions.

``weigh`` is all that a caller needs; docs/evidence.md has the formulas and what was measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from retrieval.evidence.result import Ballot, Caution, Contrary, Evidence, Strange
    from retrieval.evidence.weighing import weigh

__all__ = ["Ballot", "Caution", "Contrary", "Evidence", "Strange", "weigh"]


def __getattr__(name: str) -> Any:
    """Import on first use, so that a command that weighs nothing does not pay for it."""
    from importlib import import_module

    if name not in __all__:
        raise AttributeError(f"module 'retrieval.evidence' has no attribute '{name}'")
    home = "weighing" if name == "weigh" else "result"
    return getattr(import_module(f"retrieval.evidence.{home}"), name)
