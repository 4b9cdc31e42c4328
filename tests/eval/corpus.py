"""A small made-up corpus in the form of PTB-XL, in memory or on disk."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field

import numpy as np
import wfdb

from retrieval.corpora.ptbxl import PtbXlRow
from retrieval.ecg.recording import LEADS, Recording, derive_limb_leads
from retrieval.errors import CorpusError

RHYTHMS = ("SR", "AFIB", "STACH", "SBRAD")
FINDINGS = ("NORM", "IMI", "ASMI", "LVH", "NDT", "CLBBB", "LAFB", "PVC", "ABQRS", "QWAVE")
DEVICES = ("CS-12", "AT-6", "CS100")


def make_rows(gallery=160, validation=40, queries=120, seed=0, texts=90):
    """Rows with statements, devices and reports drawn by the seed; every third patient of a part has two ECGs."""
    rng = np.random.default_rng(seed)
    rows = []
    for part, count in enumerate((gallery, validation, queries)):
        for i in range(count):
            fold = (1 + i % 8, 9, 10)[part]
            rows.append(_row(len(rows) + 1, f"{part + 1}{i if i % 3 else max(i - 1, 0):04d}", fold, rng, texts))
    return rows


def _row(ecg_id, patient, fold, rng, texts):
    found = rng.choice(FINDINGS, rng.integers(1, 3), replace=False, p=[0.3] + [0.7 / 9] * 9)
    codes = {str(code): 100.0 for code in found} | {str(rng.choice(RHYTHMS)): None}
    text = f"befund nummer {int(rng.integers(texts))}"
    device = str(rng.choice(DEVICES, p=[0.45, 0.45, 0.1]))
    path = f"records100/00000/{ecg_id:05d}_lr"
    return PtbXlRow(ecg_id, patient, 60.0, "female", "1", device, "1990-01-01", text, codes, fold, path)


def make_recording(seed):
    """Ten seconds of a wandering, beating line: an ECG to the eye of a reader of files."""
    rng = np.random.default_rng(seed)
    time = np.arange(1000) / 100
    beat = np.exp(-(((time % rng.uniform(0.6, 1.1)) - 0.3) ** 2) / 0.001)
    leads = rng.normal(0, 0.8, (8, 1)) * beat + 0.05 * np.sin(time * rng.uniform(1, 9, (8, 1)))
    return Recording(np.concatenate([derive_limb_leads(leads[0], leads[1]), leads[2:]]).astype(np.float32), 100.0)


@dataclass
class MemoryCorpus:
    """Rows and made-up recordings; some files absent, some damaged."""

    rows: list
    absent: set = field(default_factory=set)
    damaged: set = field(default_factory=set)
    read: int = 0

    def present(self, row):
        return row.ecg_id not in self.absent

    def recording(self, row):
        self.read += 1
        if row.ecg_id in self.damaged:
            raise CorpusError(f"record {row.ecg_id} cannot be read")
        return make_recording(row.ecg_id)


def write_ptbxl(folder, rows):
    """The same as a PTB-XL folder on disk."""
    (folder / "records100" / "00000").mkdir(parents=True)
    columns = ("ecg_id", "patient_id", "age", "sex", "site", "device", "recording_date", "report", "scp_codes")
    with (folder / "ptbxl_database.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow([*columns, "strat_fold", "filename_lr"])
        for row in rows:
            codes = {code: likelihood or 0.0 for code, likelihood in row.statements.items()}
            who = [row.ecg_id, row.patient_key, 60.0, 1, 1.0, row.device, row.recorded, row.report, codes]
            table.writerow([*who, row.fold, row.path])
            signal = make_recording(row.ecg_id).signal.T.astype(np.float64)
            stem = f"{row.ecg_id:05d}_lr"
            target = str(folder / "records100" / "00000")
            wfdb.wrsamp(stem, 100, ["mV"] * 12, list(LEADS), p_signal=signal, fmt=["16"] * 12, write_dir=target)
    return folder
