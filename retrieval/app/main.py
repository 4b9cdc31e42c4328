"""The command ``nearbeat``: retrieval's own commands, and those that other folders bring as entry points.

Nothing heavy is imported here: the libraries load inside the command that needs them.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import EntryPoint, entry_points
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from index.errors import NearBeatError
from retrieval.app import (
    audit_commands,
    corpus_command,
    demo_command,
    doctor_command,
    gallery_commands,
    intake_command,
    query_commands,
    replay_command,
    serve_command,
)
from retrieval.app.console import say
from retrieval.app.contract import complete
from retrieval.errors import ExtraMissing

ENTRY_POINTS = "nearbeat.commands"
UNREADABLE, INTERRUPTED, PIPE_CLOSED = 2, 130, 141
"""Exit codes: the user's path or rights; Ctrl-C; nobody reads the output any more (what SIGPIPE would have given)."""
_OWN = (
    query_commands,
    intake_command,
    audit_commands,
    gallery_commands,
    corpus_command,
    replay_command,
    serve_command,
    demo_command,
    doctor_command,
)


class NearBeatGroup(TyperGroup):
    """Turns an error that the user can mend into one sentence on stderr and its exit code, never a traceback."""

    def make_context(self, *given: Any, **named: Any) -> Any:
        """Read the options; ``--help`` prints here."""
        with _in_a_sentence():
            return super().make_context(*given, **named)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        with _in_a_sentence():
            done = super().invoke(ctx)
            sys.stdout.flush()  # so that a closed pipe is met here
            return done


def build_app() -> typer.Typer:
    """The whole command line."""
    app = typer.Typer(
        cls=NearBeatGroup,
        name="nearbeat",
        help="The search engine for electrocardiograms: an ECG or a sentence in, the nearest documented cases out. "
        "Research software, not a diagnosis.",
        no_args_is_help=True,
        add_completion=True,
        rich_markup_mode=None,  # plain text: for pipes, screen readers, and a quick start
        pretty_exceptions_enable=False,
    )
    app.callback()(_root)
    for module in _OWN:
        module.register(app)
    taken = {command.name for command in app.registered_commands} | {group.name for group in app.registered_groups}
    for entry in sorted(entry_points(group=ENTRY_POINTS), key=lambda entry: entry.name):
        if entry.name not in taken:
            _register(app, entry)
    complete(app)
    return app


def main() -> None:
    """Run ``nearbeat``; the console script."""
    # A gallery's notices are printed by the commands; without a handler, logging would print them once more.
    logging.getLogger("nearbeat").addHandler(logging.NullHandler())
    build_app()()


@contextmanager
def _in_a_sentence() -> Iterator[None]:
    """What the user can mend, or did, ends the command with a sentence and an exit code (docs/cli.md)."""
    try:
        yield
    except NearBeatError as error:
        say(f"nearbeat: {_one_line(str(error))}")
        raise typer.Exit(error.exit_code) from None
    except (PermissionError, IsADirectoryError, NotADirectoryError, FileNotFoundError, FileExistsError) as error:
        if error.filename is None:
            raise
        say(f"nearbeat: {error.filename}: {error.strerror}; check the path and who may read and write there")
        raise typer.Exit(UNREADABLE) from None
    except KeyboardInterrupt:
        say("nearbeat: stopped")
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        _forget_stdout()
        raise typer.Exit(PIPE_CLOSED) from None


def _forget_stdout() -> None:
    """What is still buffered for the closed pipe goes nowhere, instead of failing once more at the end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    with suppress(OSError, ValueError):  # a stdout that is no file of the system's
        os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


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
