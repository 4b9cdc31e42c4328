"""Where the service keeps what belongs to this user: its settings, and what it writes while it runs."""

from __future__ import annotations

import os
from pathlib import Path


def config_folder() -> Path:
    """For tokens and the certificate."""
    return _base("XDG_CONFIG_HOME", ".config") / "nearbeat"


def state_folder() -> Path:
    """For logs and jobs."""
    return _base("XDG_STATE_HOME", ".local/state") / "nearbeat"


def _base(variable: str, usual: str) -> Path:
    named = Path(os.environ.get(variable) or "")
    return named if named.is_absolute() else Path.home() / usual
