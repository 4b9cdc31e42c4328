"""``nearbeat corpus fetch | check``: ECGs before a gallery is built of them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retrieval.app.console import out, print_json, progress_bar, remark, say
from retrieval.app.opening import JsonOption
from retrieval.errors import BadArgument

if TYPE_CHECKING:
    from retrieval.corpora.checking import Checked
    from retrieval.corpora.own_files import Looked
    from retrieval.corpora.physionet import Fetched
    from retrieval.corpora.sources import Source

FETCH_SCHEMA, CHECK_SCHEMA, FILES_SCHEMA = "nearbeat.fetch/1", "nearbeat.corpus/1", "nearbeat.files/1"
SOME_FAILED = 3
MOST_SHOWN = 10


class Rate(StrEnum):
    """Samples a second of PTB-XL's records."""

    LOW = "100"
    HIGH = "500"
    BOTH = "both"
    NONE = "none"


RATES = {Rate.LOW: (100,), Rate.HIGH: (500,), Rate.BOTH: (100, 500), Rate.NONE: ()}


def register(app: typer.Typer) -> None:
    """Add the group of commands."""
    group = typer.Typer(help="ECGs to build galleries of: fetch PTB-XL, check a folder.", no_args_is_help=True)
    group.command("fetch")(fetch)
    group.command("check")(check)
    app.add_typer(group, name="corpus")


def fetch(
    name: Annotated[str, typer.Argument(metavar="CORPUS", help="Which one: ptbxl.")],
    to: Annotated[Path, typer.Option("--to", help="Folder that it comes into.")],
    folds: Annotated[str, typer.Option(help="Folds of PTB-XL to take the records of.")] = "1-10",
    rate: Annotated[
        Rate, typer.Option(help="Samples a second of the records; galleries need 100; none: the tables alone.")
    ] = Rate.LOW,
    connections: Annotated[int, typer.Option(help="How many files come at a time, 1 to 8.")] = 4,
    address: Annotated[
        str | None, typer.Option("--from", metavar="URL", help="A mirror that has PhysioNet's layout.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch a corpus from PhysioNet, each file checked against its published checksum.

    Stopped at any time, the same command goes on where it was. This is the only command that uses the network.

    Exit code 0: all of it is there; 2: the server cannot be reached; 3: some files could not be had, and are named.
    """
    from retrieval.corpora import physionet
    from retrieval.corpora.ptbxl import parse_folds
    from retrieval.corpora.sources import SOURCES

    source = SOURCES.get(name.lower())
    if source is None:
        raise BadArgument(f"'{name}' is no corpus that can be fetched; there is: {', '.join(SOURCES)}")
    wish = physionet.Wish(parse_folds(folds), RATES[rate], connections, address)
    _tell_licence(source)
    with progress_bar(f"Fetching {source.title}") as progress:
        done = physionet.fetch(source, to, wish, progress)
    for failure in done.failed:
        say(f"refused {failure.file}: {failure.message}")
    if as_json:
        print_json(_fetch_json(source, done))
    else:
        lost = f"; {len(done.failed)} could not be had" if done.failed else ""
        sentence = f"{to}: {done.fetched} files came ({done.bytes >> 20} MiB), {done.present} were there{lost}"
        out().print(sentence, markup=False, soft_wrap=True)
    if done.failed:
        raise typer.Exit(SOME_FAILED)


def check(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="PTB-XL, or your own files.")],
    reports: Annotated[
        Path | None, typer.Option(help="The CSV of your files: path, report[, statements][, patient][, age], …")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check a folder before a gallery is built of it.

    PTB-XL: each file against its published checksum. Your own files, with --reports: whether the table can be read,
    and whether each file is there and of a kind that can be read; no ECG is decoded.

    Exit code 0: nothing is wrong; 2: the folder or the table cannot be used; 3: some files are wrong, and are named.
    """
    if not folder.is_dir():
        raise BadArgument(f"{folder} is no folder; name the one that holds the ECGs")
    wrong = _check_corpus(folder, as_json) if reports is None else _check_files(folder, reports, as_json)
    if wrong:
        raise typer.Exit(SOME_FAILED)


def _tell_licence(source: Source) -> None:
    remark(f"{source.title}: {source.licence}. Cite, in what you publish:")
    for citation in source.citations:
        remark(f"  {citation}")


def _fetch_json(source: Source, done: Fetched) -> dict[str, object]:
    return {
        "schema": FETCH_SCHEMA,
        "corpus": source.name,
        "title": source.title,
        "licence": source.licence,
        "citations": list(source.citations),
        "path": str(done.folder),
        "fetched": done.fetched,
        "present": done.present,
        "bytes": done.bytes,
        "refused": [{"file": one.file, "kind": one.kind, "message": one.message} for one in done.failed],
    }


def _check_corpus(folder: Path, as_json: bool) -> bool:
    from retrieval.corpora.checking import check as run

    with progress_bar("Checking") as progress:
        found = run(folder, progress)
    for path in found.wrong:
        say(f"nearbeat: {folder / path} is not what was published; corpus fetch brings it again")
    if as_json:
        facts: dict[str, object] = {"path": str(folder), "right": found.right, "absent": found.absent}
        print_json({"schema": CHECK_SCHEMA, **facts, "wrong": list(found.wrong), "unfinished": list(found.parts)})
    else:
        out().print(_in_words(found), markup=False, soft_wrap=True)
    return bool(found.wrong)


def _in_words(found: Checked) -> str:
    parts = f"; {len(found.parts)} unfinished" if found.parts else ""
    return (
        f"{found.folder}: {found.right} files are what was published, {len(found.wrong)} are not, "
        f"{found.absent} are not here{parts}"
    )


def _check_files(folder: Path, table: Path, as_json: bool) -> bool:
    from retrieval.corpora.own_files import look

    with progress_bar("Looking") as progress:
        found = look(folder, table, progress)
    for trouble in found.troubles:
        say(f"refused {trouble.file}: {' '.join(trouble.message.split())}")
    if as_json:
        print_json(_files_json(folder, found))
    else:
        _print_files(folder, found)
    return bool(found.troubles)


def _files_json(folder: Path, found: Looked) -> dict[str, object]:
    return {
        "schema": FILES_SCHEMA,
        "path": str(folder),
        "rows": found.rows,
        "filled": found.filled,
        "kinds": found.kinds,
        "unnamed": list(found.unnamed),
        "unknown_statements": list(found.unknown_statements),
        "refused": [{"file": one.file, "kind": one.kind, "message": one.message} for one in found.troubles],
    }


def _print_files(folder: Path, found: Looked) -> None:
    kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(found.kinds.items())) or "none"
    filled = ", ".join(f"{name} {number}" for name, number in found.filled.items() if number) or "nothing but paths"
    lines = [
        f"{folder}: {found.rows} lines; files that can be read: {kinds}; refused: {len(found.troubles)}",
        f"filled: {filled}",
    ]
    if not found.filled["patient"]:
        lines.append("no patients are named: ECGs of one person will count as each other's neighbours")
    if found.unnamed:
        lines.append(f"not in the table: {_some(found.unnamed)}")
    if found.unknown_statements:
        lines.append(f"no SCP-ECG statements, kept as they are: {_some(found.unknown_statements)}")
    for line in lines:
        out().print(line, markup=False, soft_wrap=True)


def _some(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - MOST_SHOWN} more (--json lists them)" if len(names) > MOST_SHOWN else ""
    return ", ".join(names[:MOST_SHOWN]) + more
