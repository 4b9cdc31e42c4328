"""EDF, EDF+ and BDF with channels of several rates, annotations and gaps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def edf(
    channels: Sequence[tuple[str, str, float, np.ndarray]], kind: str = "EDF", gap: float = 0.0,
    records: int | None = None, patient: str = "X X X X", date: str = "01.03.24",
) -> bytes:  # fmt: skip
    """``channels`` are label, unit, highest physical value and ``[seconds * rate]`` values of whole seconds.

    ``kind`` is EDF, EDF+C, EDF+D or BDF; ``gap`` seconds are left out in the middle of EDF+D.
    """
    width = 3 if kind == "BDF" else 2
    top = 2 ** (8 * width - 1) - 1
    plus = kind.startswith("EDF+")
    rates = [values.shape[1] for *_, values in channels]
    seconds = len(channels[0][3])
    fields = [
        [label, "", unit, -high, high, -top, top, "", rate, ""]
        for (label, unit, high, _), rate in zip(channels, rates, strict=True)
    ]
    if plus:
        fields.append(["EDF Annotations", "", "", -1, 1, -32768, 32767, "", 20, ""])
    sizes = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)
    header = "".join("".join(_field(row[i], size) for row in fields) for i, size in enumerate(sizes))
    magic = b"\xffBIOSEMI" if kind == "BDF" else b"0       "
    count = seconds if records is None else records
    head = magic + (
        _field(patient, 80) + _field("Startdate 01-MAR-2024 X X X", 80) + date + "10.15.00"
        + _field(256 * (1 + len(fields)), 8) + _field("24BIT" if kind == "BDF" else kind if plus else "", 44)
        + _field(count, 8) + _field(1, 8) + _field(len(fields), 4)
    ).encode("latin-1")  # fmt: skip
    body = b""
    for second in range(seconds):
        for _, _, high, values in channels:
            stored = np.clip(np.round(values[second] / high * top), -top, top).astype(np.int64)
            body += stored.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :width].tobytes()
        if plus:
            onset = second + (gap if second >= seconds // 2 else 0.0)
            body += f"+{onset:g}\x14\x14\0".encode().ljust(40, b"\0")
    return head + header.encode("latin-1") + body


def _field(value: object, size: int) -> str:
    return f"{value}"[:size].ljust(size)
