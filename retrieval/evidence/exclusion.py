"""Which statements exclude each other: an ECG has one basic rhythm, one grade of AV block, one side of its block.

Statements of different families of a group stand together in less than one in ten of PTB-XL's ECGs that have the
rarer of the two, those of a normal ECG and of infarct, ischaemia or hypertrophy in less than one in a hundred.
"""

from __future__ import annotations

from functools import cache

from retrieval.ecg.statements import STATEMENTS

Family = frozenset[str]
_GROUPS: tuple[tuple[Family, ...], ...] = (
    tuple(
        frozenset(codes.split())
        for codes in ("SR", "STACH", "SBRAD", "SARRH", "PACE", "AFIB AFLT PSVT SVTAC")  # rhythms
    ),
    (frozenset({"CLBBB", "ILBBB"}), frozenset({"CRBBB", "IRBBB"})),
    (frozenset({"1AVB"}), frozenset({"2AVB"}), frozenset({"3AVB"})),
    (frozenset({"LAFB"}), frozenset({"LPFB"})),
)
_ABNORMAL = frozenset(
    {code for code, one in STATEMENTS.items() if one.superclass in {"MI", "STTC", "HYP"}} | {"CLBBB", "CRBBB", "WPW"}
)


@cache
def excluded_by(code: str) -> frozenset[str]:
    """The statements that an ECG with this one has not; none for a code that is in no table."""
    out: set[str] = set()
    for families in _GROUPS:
        if any(code in family for family in families):
            out |= {other for family in families if code not in family for other in family}
    if code == "NORM":
        out |= _ABNORMAL
    elif code in _ABNORMAL:
        out.add("NORM")
    return frozenset(out)
