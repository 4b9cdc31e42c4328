"""WFDB records on disk, for tests."""

from __future__ import annotations

import wfdb

from retrieval.ecg.recording import LEADS


def write_wfdb(folder, name, recording):
    wfdb.wrsamp(
        name,
        fs=recording.rate,
        units=["mV"] * 12,
        sig_name=list(LEADS),
        p_signal=recording.signal.T.astype(float),
        fmt=["16"] * 12,
        write_dir=str(folder),
    )
