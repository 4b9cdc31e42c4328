"""How long a run has taken, over all the times that it was started."""

from __future__ import annotations

import json
import time
from pathlib import Path

MINUTES = "minutes.json"


class Minutes:
    """A clock that keeps its count in a run's folder; what a killed process did since its last lap is lost."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / MINUTES
        self._since = time.monotonic()

    def lap(self) -> None:
        """Add the time since the last lap, or since the start."""
        now = time.monotonic()
        total = (read_minutes(self._file.parent) or 0.0) + (now - self._since) / 60
        temporary = self._file.with_suffix(".tmp")
        temporary.write_text(json.dumps(total), encoding="utf-8")
        temporary.replace(self._file)
        self._since = now


def read_minutes(folder: Path) -> float | None:
    """The minutes that a folder's run has taken, or ``None`` where none were counted."""
    file = folder / MINUTES
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None
