"""A recording as bytes that a gallery keeps: the eight independent leads in microvolts, compressed."""

from __future__ import annotations

import json
import zlib

import numpy as np

from retrieval.ecg.recording import INDEPENDENT_LEADS, LEADS, Recording, from_independent
from retrieval.errors import BadSignal, DamagedFile

MAGIC = b"NBW1"
MAX_BYTES = 64 * 2**20
"""Ten seconds are 0.1 MB and four hours at 250 Hz 58 MB: more than this is neither written nor read."""


def pack(recording: Recording) -> bytes:
    """``NBW1``, the length of a JSON header (2 bytes), the header, then zlib of int16 microvolts ``[8, samples]``.

    Values are rounded to 1 microvolt and clipped to 32.7 mV; the limb leads III, aVR, aVL and aVF are derived again.

    Raises:
        BadSignal: when the recording is longer than ``unpack`` would read.
    """
    size = 2 * len(INDEPENDENT_LEADS) * recording.signal.shape[1]
    if size > MAX_BYTES:
        raise BadSignal(
            f"a recording of {recording.seconds / 3600:.1f} hours is too long to be stored; cut out 10 seconds"
        )
    rows = recording.signal[[LEADS.index(lead) for lead in INDEPENDENT_LEADS]]
    micro = np.clip(np.rint(rows * 1000), -32767, 32767).astype("<i2")
    # Differences compress to about half of the samples themselves; wrap-around is undone by the same arithmetic.
    body = zlib.compress(np.diff(micro, axis=1, prepend=np.zeros((8, 1), "<i2")).tobytes(), 6)
    head = json.dumps({"rate": float(recording.rate), "samples": micro.shape[1]}).encode()
    return MAGIC + len(head).to_bytes(2, "little") + head + body


def unpack(data: bytes) -> Recording:
    """The recording that ``pack`` was given, to the microvolt; age, sex and patient stand elsewhere.

    Raises:
        DamagedFile: when the bytes are not such a recording.
    """
    try:
        if data[:4] != MAGIC:
            raise ValueError("not a packed recording")
        size = int.from_bytes(data[4:6], "little")
        head = json.loads(data[6 : 6 + size])
        inflater = zlib.decompressobj()
        raw = inflater.decompress(data[6 + size :], MAX_BYTES)
        # Only at the end of the stream has zlib compared the checksum; a cut or an overlong one never gets there.
        if not inflater.eof or inflater.unused_data:
            raise ValueError("its compressed samples end too early or too late")
        steps = np.frombuffer(raw, "<i2").reshape(len(INDEPENDENT_LEADS), int(head["samples"]))
        micro = np.cumsum(steps, axis=1, dtype=np.int16)
        return Recording(from_independent(micro.astype(np.float32) / 1000), float(head["rate"]))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError, zlib.error, BadSignal) as error:
        raise DamagedFile(f"the stored waveform cannot be read ({error}); verify the gallery it came from") from error
