"""``nearbeat doctor``: what a bug report needs to say about the installation."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from retrieval.app.console import out, print_json
from retrieval.app.opening import BundleOption, GalleryOption, JsonOption
from retrieval.errors import NearBeatError

if TYPE_CHECKING:
    from retrieval.towers.bundle import Bundle

SCHEMA = "nearbeat.doctor/1"
PACKAGES = (
    "nearbeat",
    "numpy",
    "faiss-cpu",
    "onnxruntime",
    "opencv-python-headless",
    "pillow",
    "pydicom",
    "pypdfium2",
    "tokenizers",
    "typer",
    "rich",
    "wfdb",
)
TRAINING = ("torch", "open_clip_torch", "transformers")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor")(doctor)


def doctor(gallery: GalleryOption = None, bundle: BundleOption = None, as_json: JsonOption = False) -> None:
    """Versions, bundle, gallery and threads, to paste into a bug report. Exit code 2 when something is wrong."""
    report = examine(gallery, bundle)
    if as_json:
        print_json(report)
    else:
        _print(report)
    if report["problems"]:
        raise typer.Exit(2)


def examine(gallery: Path | None, bundle: Path | None) -> dict[str, Any]:
    """Everything that ``doctor`` says, as an object of ``nearbeat.doctor/1``. Nothing is built or changed."""
    problems: list[str] = []
    packages = {name: _version(name) for name in PACKAGES}
    problems += [f"{name} is not installed" for name, found in packages.items() if found is None]
    towers, about_bundle = _bundle(bundle, problems)
    return {
        "schema": SCHEMA,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": packages,
        "training": {name: _version(name) for name in TRAINING},
        "bundle": about_bundle,
        "gallery": _gallery(gallery, towers, problems),
        "threads": _threads(),
        "problems": problems,
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _bundle(path: Path | None, problems: list[str]) -> tuple[Bundle | None, dict[str, Any]]:
    from retrieval.engine import load_towers

    try:
        towers = load_towers(path)
    except (NearBeatError, ImportError) as error:
        problems.append(f"bundle: {error}")
        return None, {"name": None}
    return towers, {
        "name": towers.name,
        "version": towers.card.get("version"),
        "sha256": towers.sha256,
        "dim": towers.dim,
        "shipped": path is None,
    }


def _gallery(path: Path | None, towers: Bundle | None, problems: list[str]) -> dict[str, Any]:
    from index import open_at
    from retrieval.galleries import default_path

    default = path is None
    if path is None:
        if towers is None:
            return {"path": None}
        path = default_path(towers.sha256)
        if not path.exists():
            return {"path": str(path), "default": True, "built": False}
    try:
        with open_at(path, bundle_sha256=towers.sha256 if towers else None) as opened:
            info = opened.info()
    except NearBeatError as error:
        problems.append(f"gallery: {error}")
        return {"path": str(path), "default": default, "built": True}
    return {
        "path": str(path),
        "default": default,
        "built": True,
        "cases": info.cases,
        "generation": info.generation,
        "bundle": info.bundle_name,
        "simulated": info.simulated,
    }


def _threads() -> dict[str, Any]:
    affinity = getattr(os, "sched_getaffinity", None)
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return {
        "processors": os.cpu_count(),
        "usable": len(affinity(0)) if affinity else os.cpu_count(),
        **{name: os.environ.get(name) for name in names},
        "stdout": sys.stdout.encoding,
    }


def _print(report: dict[str, Any]) -> None:
    from rich.markup import escape
    from rich.table import Table

    out().print("[bold]nearbeat doctor[/bold]")
    table = Table(show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("Python", f"{report['python']} on {report['platform']}")
    for section in ("packages", "training", "bundle", "gallery", "threads"):
        facts = report[section].items()
        shown = ", ".join(f"{name} {_shown(value)}" for name, value in facts)
        table.add_row(section, escape(shown))
    table.add_row("problems", escape("\n".join(report["problems"])) or "none")
    out().print(table)


def _shown(value: object) -> str:
    if value is None:
        return "absent"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
