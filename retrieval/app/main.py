"""The command ``nearbeat``: retrieval's own commands, and those that other folders bring as entry points.

Nothing heavy is imported here: the libraries load inside the command that needs them.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from index.errors import NearBeatError
from retrieval.app import (
    audit_commands,
    demo_command,
    doctor_command,
    gallery_commands,
    intake_command,
    query_commands,
    replay_command,
)
from retrieval.app.console import say
from retrieval.errors import ExtraMissing

ENTRY_POINTS = "nearbeat.commands"
_OWN = (
    query_commands,
    intake_command,
    audit_commands,
    gallery_commands,
    replay_command,
    demo_command,
    doctor_command,
)


class NearBeatGroup(TyperGroup):
    """Turns an error that the user can mend into one sentence on stderr and its exit code, never a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except NearBeatError as error:
            say(f"nearbeat: {_one_line(str(error))}")
            raise typer.Exit(error.exit_code) from None
        except (PermissionError, IsADirectoryError, NotADirectoryError, FileNotFoundError, FileExistsError) as error:
            if error.filename is None:
                raise
            say(f"nearbeat: {error.filename}: {error.strerror}; check the path and who may read and write there")
            raise typer.Exit(2) from None


def build_app() -> typer.Typer:
    """The whole command line."""
    app = typer.Typer(
        cls=NearBeatGroup,
        name="nearbeat",
        help="The search engine for electrocardiograms: an ECG or a sentence in, the nearest documented cases out. "
        "Research software, not a diagnosis.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(_root)
    for module in _OWN:
        module.register(app)
    taken = {command.name for command in app.registered_commands} | {group.name for group in app.registered_groups}
    for entry in sorted(entry_points(group=ENTRY_POINTS), key=lambda entry: entry.name):
        if entry.name not in taken:
            _register(app, entry)
    return app


def main() -> None:
    """Run ``nearbeat``; the console script."""
    # A gallery's notices are printed by the commands; without a handler, logging would print them once more.
    logging.getLogger("nearbeat").addHandler(logging.NullHandler())
    build_app()()


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        sys.stdout.write(f"nearbeat {version('nearbeat')}\n")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Hold the options that stand before a command."""


def _register(app: typer.Typer, entry: EntryPoint) -> None:
    """Add an entry point's commands; one that cannot be imported says so when called, and breaks nothing else."""
    try:
        register: Callable[[typer.Typer], None] = entry.load()
        register(app)
    except (ImportError, AttributeError) as error:
        reason = str(error)

        def unavailable() -> None:
            raise ExtraMissing(
                f"'nearbeat {entry.name}' cannot be loaded ({reason}); install its extra with "
                "pip install 'nearbeat[train]'"
            )

        app.command(entry.name, help="Not available in this installation.", hidden=True)(unavailable)


def _one_line(text: str) -> str:
    return " ".join(text.split())
