"""``nearbeat gallery delete | compact | snapshot | restore | diff | export | import | reembed``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from retrieval.app.console import out, print_json, progress_bar
from retrieval.app.opening import BundleOption, JsonOption

CHANGE_SCHEMA, DIFF_SCHEMA = "nearbeat.change/1", "nearbeat.diff/1"
DIFFERENT = 3
MOST_SHOWN = 10

GalleryArgument = Annotated[Path, typer.Argument(metavar="GALLERY", help="Folder of the gallery.")]


def register(group: typer.Typer) -> None:
    """Add the commands to the group."""
    group.command("delete")(delete)
    group.command("compact")(compact)
    group.command("snapshot")(snapshot)
    group.command("restore")(restore)
    group.command("diff")(diff)
    group.command("reembed")(reembed)
    group.command("export")(export)
    group.command("import")(import_)


def delete(
    gallery: GalleryArgument,
    ids: Annotated[list[str], typer.Argument(metavar="ID", help="Ids of cases.")],
    as_json: JsonOption = False,
) -> None:
    """Delete cases, at once for every process; their ids are never used again. Compact then removes their bytes."""
    from index import open_at

    with open_at(gallery, read_only=False) as opened:
        opened.delete(ids)
    _told(gallery, f"{len(dict.fromkeys(ids))} cases deleted", as_json)


def compact(gallery: GalleryArgument, as_json: JsonOption = False) -> None:
    """Write a gallery anew, so that no byte of a deleted case stays in its folder."""
    from index import open_at

    with open_at(gallery, read_only=False) as opened:
        opened.compact()
    _told(gallery, "compacted", as_json)


def snapshot(
    gallery: GalleryArgument,
    to: Annotated[Path, typer.Option("--out", help="Folder to make.")],
    as_json: JsonOption = False,
) -> None:
    """Copy a gallery as it is at one moment, while others may write to it."""
    from index import Gallery

    with Gallery.open(gallery, read_only=True) as opened:
        opened.backup(to)
    _told(to, f"a copy of {gallery}", as_json)


def restore(
    copy: Annotated[Path, typer.Argument(metavar="SNAPSHOT", help="Folder of the copy.")],
    to: Annotated[Path, typer.Option("--out", help="Folder of the gallery that it becomes.")],
    as_json: JsonOption = False,
) -> None:
    """Make a gallery of a copy, once every byte of the copy was checked."""
    from index import Gallery

    Gallery.restore(copy, to)
    _told(to, f"restored from {copy}", as_json)


def diff(
    first: Annotated[Path, typer.Argument(metavar="GALLERY", help="One gallery.")],
    second: Annotated[Path, typer.Argument(metavar="OTHER", help="The other.")],
    as_json: JsonOption = False,
) -> None:
    """How two galleries differ. Exit code 0 when they hold the same cases and vectors, 3 when not."""
    from index import Gallery, diff_galleries

    found: dict[str, list[str]] = {"only_first": [], "only_second": [], "case": [], "vector": []}
    with Gallery.open(first, read_only=True) as one, Gallery.open(second, read_only=True) as other:
        for difference in diff_galleries(one, other):
            found[difference.kind].append(difference.case_id)
    if as_json:
        print_json({"schema": DIFF_SCHEMA, **found})
    else:
        _print_diff(found, first, second)
    if any(found.values()):
        raise typer.Exit(DIFFERENT)


def export(
    gallery: GalleryArgument,
    to: Annotated[Path, typer.Option("--out", help="Folder to make.")],
    recordings: Annotated[
        bool, typer.Option("--recordings/--no-recordings", help="Whether waveforms and pages go along.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Write a gallery as one Parquet file with its vectors, and metadata in Croissant's form (needs pyarrow)."""
    from retrieval.interchange import export_gallery

    with progress_bar("Exporting") as progress:
        count = export_gallery(gallery, to, recordings=recordings, progress=progress)
    if as_json:
        print_json({"schema": CHANGE_SCHEMA, "path": str(to), "done": f"exported from {gallery}", "cases": count})
    else:
        out().print(f"{to}: {count} cases exported from {gallery}", markup=False, soft_wrap=True)


def import_(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="What gallery export wrote.")],
    to: Annotated[Path, typer.Option("--out", help="Gallery to make.")],
    as_json: JsonOption = False,
) -> None:
    """Make a gallery of what gallery export wrote (needs pyarrow)."""
    from retrieval.interchange import import_gallery

    with progress_bar("Importing") as progress:
        import_gallery(folder, to, progress=progress)
    _told(to, f"imported from {folder}", as_json)


def reembed(gallery: GalleryArgument, bundle: BundleOption = None, as_json: JsonOption = False) -> None:
    """Make all vectors anew with another bundle; the old ones answer meanwhile. Stopped, the same command goes on."""
    from retrieval import reembedding
    from retrieval.engine import load_towers

    towers = load_towers(bundle)
    with progress_bar("Encoding the cases anew") as progress:
        reembedding.reembed(gallery, towers, progress=progress)
    _told(gallery, f"its vectors are of {towers.name} {towers.card.get('version', '')}".rstrip(), as_json)


def _told(path: Path, done: str, as_json: bool) -> None:
    from index import open_at

    with open_at(path) as opened:
        info = opened.info()
    if as_json:
        facts = {"path": str(path), "done": done, "cases": info.cases, "generation": info.generation}
        print_json({"schema": CHANGE_SCHEMA, **facts})
    else:
        sentence = f"{path}: {done}; {info.cases} cases, generation {info.generation}"
        out().print(sentence, markup=False, soft_wrap=True)


def _print_diff(found: dict[str, list[str]], first: Path, second: Path) -> None:
    titles = {
        "only_first": f"only in {first}",
        "only_second": f"only in {second}",
        "case": "differ in what is known of the case",
        "vector": "differ in their vector",
    }
    for kind, ids in found.items():
        if ids:
            more = f" and {len(ids) - MOST_SHOWN} more (--json lists all)" if len(ids) > MOST_SHOWN else ""
            out().print(
                f"{len(ids)} {titles[kind]}: {', '.join(ids[:MOST_SHOWN])}{more}", markup=False, soft_wrap=True
            )
    if not any(found.values()):
        out().print("The same cases with the same vectors.")
