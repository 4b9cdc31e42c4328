"""What the five diagnostic superclasses are called, in English and German."""

from __future__ import annotations

from collections.abc import Mapping

SUPERCLASS_WORDS: Mapping[str, tuple[str, ...]] = {
    "NORM": ("normal ECG", "normales EKG"),
    "MI": ("myocardial infarction", "Myokardinfarkt"),
    "STTC": ("ST and T wave changes", "ST-T-Veränderungen"),
    "CD": ("conduction disturbance", "Erregungsleitungsstörung"),
    "HYP": ("hypertrophy", "Hypertrophie"),
}
