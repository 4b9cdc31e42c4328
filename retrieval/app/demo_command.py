"""``nearbeat demo``: the main job on what every installation carries, a simulated gallery and the shipped bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retrieval.app.console import out, progress_bar, remark
from retrieval.app.opening import BundleOption

if TYPE_CHECKING:
    from retrieval.app.html import Section
    from retrieval.ecg.simulator import SimulatedCase
    from retrieval.engine import Engine
    from retrieval.towers.bundle import Bundle

CASES = 400
PHOTO_SEED = 2_000_003
"""Neither among the gallery's cases (seeds 0 to 399) nor among those that the bundle was trained on."""
PHOTO_CONDITION = "lvh_strain"
SENTENCE = "left bundle branch block"
INTRO = (
    "A DICOM file, a photograph and a sentence against a gallery of simulated ECGs with reports. With a gallery of "
    "real ECGs, such as PTB-XL, the same commands answer with real cases."
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo(
    to: Annotated[Path, typer.Option("--out", help="Folder for the gallery, the photograph and the page.")] = Path(
        "demo-out"
    ),
    k: Annotated[int, typer.Option("-k", min=1, help="How many cases to show for each query.")] = 5,
    cases: Annotated[int, typer.Option(min=20, help="How many SIMULATED cases the gallery gets.")] = CASES,
    bundle: BundleOption = None,
) -> None:
    """Three queries against a gallery of SIMULATED cases, as tables and as one page with pictures."""
    from retrieval.app.html import write_page
    from retrieval.app.tables import print_answer
    from retrieval.engine import load_towers, open_gallery

    towers = load_towers(bundle)
    to.mkdir(parents=True, exist_ok=True)
    gallery = _gallery(to / "gallery", towers, cases)
    with open_gallery(gallery, towers) as engine:
        sections = [_real(engine, k), _photo(engine, to / "photo.jpg", k), _sentence(engine, k)]
        counts = engine.statement_counts()
    for number, section in enumerate(sections, start=1):
        print_answer(out(), section.answer, counts, title=f"{number}. {section.heading}")
        if section.note:
            out().print(f"[dim]{section.note}[/dim]")
    page = to / "demo.html"
    write_page(page, sections, counts, "Three queries, their nearest cases", INTRO)
    out().print(f"\nThe same with pictures: [bold]{page}[/bold]", soft_wrap=True)


def dicom_of_pydicom() -> Path:
    """The 12-lead DICOM that the package pydicom carries: a real ECG, free to use."""
    import pydicom

    return Path(pydicom.__file__).parent / "data" / "test_files" / "waveform_ecg.dcm"


def photograph(case: SimulatedCase, path: Path) -> None:
    """Print a simulated ECG and photograph it badly: a page with its grid, bent, shaded and packed as JPEG."""
    import numpy as np
    from PIL import Image

    from retrieval.ecg.drawing import PageStyle, draw_page
    from retrieval.ecg.spoil import spoil

    page = draw_page(case.recording, PageStyle(header=("SIMULATED - made by a program, no patient",)))
    photo = spoil(page.pixels, np.random.default_rng(PHOTO_SEED), kind="photo", strength=2)
    Image.fromarray(photo).save(path, "JPEG", quality=88)


def _gallery(path: Path, towers: Bundle, cases: int) -> Path:
    """The demo's gallery: kept from the last run when it is the same, and made anew when it is not."""
    from index import Gallery
    from index.errors import GalleryError
    from retrieval.galleries import build_simulated

    try:
        with Gallery.open(path, read_only=True, bundle_sha256=towers.sha256) as opened:
            info = opened.info()
        if info.cases == cases and info.simulated:
            remark(f"Using the {cases} SIMULATED cases of {path}.")
            return path
    except GalleryError:
        pass
    with progress_bar(f"Building a gallery of {cases} SIMULATED cases") as progress:
        build_simulated(path, towers, cases, replace=True, progress=progress)
    return path


def _real(engine: Engine, k: int) -> Section:
    from retrieval.app.html import Section

    return Section(
        engine.query(dicom_of_pydicom(), k),
        heading="A real ECG: the 12-lead DICOM that pydicom carries",
        note="Its file says: sinus rhythm, normal ECG. The only ECG on this page that comes from a person.",
    )


def _photo(engine: Engine, path: Path, k: int) -> Section:
    from retrieval.app.html import Section, picture_of
    from retrieval.ecg.simulator import simulate

    case = simulate(PHOTO_SEED, PHOTO_CONDITION)
    photograph(case, path)
    return Section(
        engine.query(path, k),
        heading="A phone-photo-like page of a SIMULATED ECG that is not in the gallery",
        note=f"What was simulated: {case.report_en}",
        picture=picture_of(str(path)),
        simulated=True,
    )


def _sentence(engine: Engine, k: int) -> Section:
    from retrieval.app.html import Section

    return Section(engine.search(SENTENCE, k), heading=f"A sentence: “{SENTENCE}”")
