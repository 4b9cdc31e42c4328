"""``nearbeat intake``: what is read from a file, before anything is searched."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retrieval.app.console import out, print_json, remark, say
from retrieval.app.correction_options import (
    CornersOption,
    GainOption,
    LayoutOption,
    SpeedOption,
    TurnOption,
    correction_from,
)
from retrieval.app.declaring import RateOption, UnitOption
from retrieval.app.opening import JsonOption
from retrieval.errors import BadArgument, NearBeatError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from retrieval.intake.correction import Correction
    from retrieval.intake.declared import Declared
    from retrieval.intake.result import Intake
    from retrieval.intake.worker import Reader

    Wish = tuple[int | None, Declared, Correction | None]
    """The page that is wanted, what the user says of the samples, and what was set by hand of the picture."""

ALL_REFUSED, SOME_REFUSED = 2, 3
EXAMPLES = """Examples:

nearbeat intake ecg.jpg

nearbeat intake ecg.jpg --show understood.png

nearbeat intake ecg.jpg --save page.png --json
"""
PICTURES = (".png", ".jpg", ".jpeg")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("intake", epilog=EXAMPLES)(intake)


def intake(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", help="ECGs: photo, scan, PDF or recording (of WFDB its .hea).")
    ],
    page: Annotated[
        int | None, typer.Option("--page", min=1, help="Page of the file; without it, the first with an ECG.")
    ] = None,
    show: Annotated[
        Path | None,
        typer.Option("--show", metavar="OUT.png", help="Draw what was understood over the picture, as it is."),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option("--save", metavar="PAGE.png", help="Write the canonical page, on which no print is left."),
    ] = None,
    rate: RateOption = None,
    unit: UnitOption = None,
    turn: TurnOption = 0,
    corners: CornersOption = None,
    layout: LayoutOption = None,
    speed: SpeedOption = None,
    gain: GainOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what is read from an ECG: layout, leads, scale, and what had to be assumed.

    Exit code 0: every file was read; 2: none was; 3: some were refused. Nothing leaves this machine.
    """
    _check_targets(files, show, save)
    correction = correction_from(turn, corners, layout, speed, gain)
    from retrieval.intake.declared import Declared
    from retrieval.intake.worker import Reader

    declared = Declared(rate, unit)
    with Reader() as reader:
        read = sum(_one(reader, file, (page, declared, correction), show, save, as_json) for file in files)
    if read < len(files):
        raise typer.Exit(SOME_REFUSED if read else ALL_REFUSED)


def _check_targets(files: list[Path], show: Path | None, save: Path | None) -> None:
    """Refuse what could not be written, or would take the place of the ECG, before the work is done."""
    for option, target in (("--show", show), ("--save", save)):
        if target is None:
            continue
        if len(files) > 1:
            raise BadArgument(f"{option} {target} is one picture, and {len(files)} files are given; name one FILE")
        if target.suffix.lower() not in PICTURES:
            raise BadArgument(
                f"{option} writes PNG or JPEG; '{target.name}' ends in neither {' nor '.join(PICTURES)}"
            )
        if target.exists() and files[0].exists() and target.samefile(files[0]):
            raise BadArgument(f"{option} {target} would overwrite the ECG itself; name another file")
    if show is not None and save is not None and show.resolve() == save.resolve():
        raise BadArgument(f"--show and --save both name {show}; name two files")


def _one(reader: Reader, file: Path, wish: Wish, show: Path | None, save: Path | None, as_json: bool) -> bool:
    """Read a file and print it; whether it could be read."""
    from retrieval.intake.wire import intake_json, refusal_json

    try:
        taken, drawing = _read(reader, file, wish, drawn=show is not None)
    except NearBeatError as error:
        message = " ".join(str(error).split())
        say(f"nearbeat: {message}" if file.name in message else f"nearbeat: {file}: {message}")
        if as_json:
            print_json(refusal_json(str(file), error))
        return False
    if as_json:
        print_json(intake_json(taken))
    else:
        from retrieval.app.intake_table import print_intake

        print_intake(out(), taken)
    for target, pixels, what in ((show, drawing, "Drawing"), (save, taken.page.pixels, "Page")):
        if target is not None and pixels is not None:
            _write(target, pixels)
            remark(f"{what} written to {target}")
    return True


def _read(reader: Reader, file: Path, wish: Wish, *, drawn: bool) -> tuple[Intake, NDArray[Any] | None]:
    if drawn:
        return reader.draw(file, *wish)
    return reader.read(file, *wish), None


def _write(target: Path, pixels: NDArray[Any]) -> None:
    from PIL import Image

    Image.fromarray(pixels).save(target)
