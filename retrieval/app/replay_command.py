"""``nearbeat replay``: a logged answer, given again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retrieval.app.console import out, print_json
from retrieval.app.opening import JsonOption

if TYPE_CHECKING:
    from retrieval.replay import Replay

SCHEMA = "nearbeat.replay/1"
NOT_THE_SAME = 3


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("replay")(replay)


def replay(
    log_id: Annotated[int, typer.Argument(metavar="LOG_ID", help="Number of the answer in the log.")],
    log: Annotated[Path, typer.Option("--log", help="File that query and search put their answers down in.")],
    gallery: Annotated[
        Path | None, typer.Option("--gallery", "-g", help="The gallery, where it has moved since.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Give a logged answer again, from the gallery as it was then.

    Exit code 0: the same ids and scores, but for cases that were deleted or replaced since; 3: something has changed,
    and it is said what.
    """
    from index import in_milvus, open_at
    from index.errors import GalleryMissing
    from retrieval import replay as again
    from retrieval.answer_log import AnswerLog, BadLog

    if not log.is_file():
        raise BadLog(f"there is no log of answers at {log}; query and search write one with --log FILE")
    logged = AnswerLog(log).read(log_id)
    place = gallery or Path(logged.gallery)
    if not in_milvus(place) and not place.is_dir():
        raise GalleryMissing(f"the gallery {place} is not there any more; name its new place with --gallery FOLDER")
    with open_at(place) as opened:
        found = again.replay(opened, logged)
    if as_json:
        print_json(_json(found))
    else:
        _print(found)
    if not found.same:
        raise typer.Exit(NOT_THE_SAME)


def _json(found: Replay) -> dict[str, object]:
    logged = found.logged
    return {
        "schema": SCHEMA,
        "log_id": logged.log_id,
        "at": logged.at,
        "gallery": {"path": logged.gallery, "generation": logged.generation, "cases": logged.cases},
        "model": {"name": logged.bundle_name, "sha256": logged.bundle_sha256},
        "k": logged.k,
        "ranked_by": logged.ranked_by,
        "generation_now": found.generation,
        "same": found.same,
        "reasons": list(found.reasons),
        "hits": [
            {"rank": hit.rank, "case_id": hit.case_id, "score": hit.score, "state": hit.state} for hit in found.hits
        ],
    }


def _print(found: Replay) -> None:
    from rich.markup import escape
    from rich.table import Table

    logged, console = found.logged, out()
    console.print(f"[bold]Answer {logged.log_id}[/bold] of {logged.at}, {logged.k} cases asked for", highlight=False)
    if logged.words:
        console.print(f"“{escape(logged.words)}”")
    table = Table()
    table.add_column("#", justify="right")
    table.add_column("case")
    table.add_column("similarity", justify="right")
    table.add_column("today")
    for hit in found.hits:
        table.add_row(str(hit.rank), escape(hit.case_id), f"{hit.score:.7f}", hit.state)
    console.print(table)
    for reason in found.reasons:
        console.print(f"* {escape(reason)}", soft_wrap=True)
    console.print("The same answer, byte for byte." if found.same else "[bold]Not the same answer.[/bold]")
