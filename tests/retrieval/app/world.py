"""A folder with everything that the examples of the help and of the docs speak of; every ECG in it is made up."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

from PIL import Image

from retrieval.app.demo_command import dicom_of_pydicom
from retrieval.ecg.drawing import PageStyle, draw_page
from retrieval.ecg.simulator import CONDITIONS, simulate
from retrieval.galleries import build_simulated
from retrieval.towers.bundle import Bundle
from tests.eval.corpus import make_rows, write_ptbxl
from tests.retrieval.wfdb_files import write_wfdb

CASES = 20
PTBXL_ROWS = (40, 12, 24)
"""Records of folds 1 to 8, of fold 9, and of fold 10."""


def make_world(folder: Path) -> Path:
    """Write it: photographs and records, a gallery, an archive with its table, and a small PTB-XL."""
    draw(1_000, folder / "photo.jpg")
    shutil.copy(dicom_of_pydicom(), folder / "ecg.dcm")
    write_wfdb(folder, "record", simulate(1_001, "lbbb" if "lbbb" in CONDITIONS else CONDITIONS[0]).recording)
    build_simulated(folder / "my.gallery", Bundle.load(), CASES)
    make_archive(folder)
    write_ptbxl(folder / "ptb-xl", make_rows(*PTBXL_ROWS, texts=20))
    return folder


def draw(seed: int, path: Path) -> str:
    """Draw a simulated ECG as a page; returns its report."""
    case = simulate(seed, CONDITIONS[seed % len(CONDITIONS)])
    Image.fromarray(draw_page(case.recording, PageStyle()).pixels).save(path)
    return case.report_en


def make_archive(folder: Path) -> None:
    """``archive/`` with two pictures, and ``reports.csv``, whose headings are an archive's and not ours."""
    (folder / "archive").mkdir()
    with (folder / "reports.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["File Name", "Findings", "Patient-ID", "Age", "Sex", "Date"])
        for number in range(2):
            report = draw(2_000 + number, folder / "archive" / f"{number}.png")
            who = [f"p{number}", 50 + number, "FM"[number % 2], "2001-02-03"]
            table.writerow([f"archive/{number}.png", report, *who])
