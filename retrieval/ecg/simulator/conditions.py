"""Every condition that can be simulated."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from retrieval.ecg.simulator.condition import Condition
from retrieval.ecg.simulator.conditions_of_conduction import CONDUCTION_CONDITIONS, RHYTHM_CONDITIONS
from retrieval.ecg.simulator.conditions_of_muscle import CHAMBER_CONDITIONS, INFARCT_CONDITIONS, RECOVERY_CONDITIONS

TABLE: Mapping[str, Condition] = MappingProxyType(
    {
        **RHYTHM_CONDITIONS,
        **CONDUCTION_CONDITIONS,
        **CHAMBER_CONDITIONS,
        **INFARCT_CONDITIONS,
        **RECOVERY_CONDITIONS,
    }
)
"""Every condition by its name."""

CONDITIONS: tuple[str, ...] = tuple(TABLE)
"""The names, in the order of the table."""
