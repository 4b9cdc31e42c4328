"""docs/cli.md, written from the commands themselves: ``python -m retrieval.app.reference docs/cli.md``."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import typer

HEAD = """# The command line

*Written by `python -m retrieval.app.reference docs/cli.md` from the commands themselves; a test keeps it so.*

`nearbeat COMMAND --help` shows what stands here. Results go to stdout; progress, remarks and errors to stderr, so
that a result may be piped. `--json` prints objects whose fields are told in [json.md](json.md) and whose schemas
stand in [schemas](schemas/README.md). `--quiet` leaves out progress and remarks, never an error. Where stderr is no
terminal, progress is a line every ten seconds. Colour comes on terminals only, and not where `NO_COLOR` is set.

## Exit codes

| code | meaning |
|---|---|
| 0 | done; every file was answered |
| 1 | a fault of NearBeat: a traceback follows, which belongs in a bug report with what `nearbeat doctor` says |
| 2 | nothing was done: an option, a path, a file, a gallery or a bundle cannot be used; a sentence says why |
| 3 | done in part: some files were refused, named on stderr, the others answered; of `diff`, `replay`: not the same |
| 130 | stopped by Ctrl-C |
| 141 | whoever read the output went away, as `head -1` does behind a pipe; nothing is said |

## Completion

`nearbeat --install-completion` teaches bash, zsh, fish or PowerShell to complete commands and options with the tab
key; `nearbeat --show-completion` prints what it would install.
"""


def commands_of(app: typer.Typer) -> dict[str, Any]:
    """Every command of an application by its words, those of its groups too, in the order of the help."""
    return dict(_walk(typer.main.get_command(app), ()))


def write_reference(app: typer.Typer) -> str:
    """The page as Markdown."""
    parts = [HEAD, "## Commands\n", _overview(commands_of(app))]
    parts += [_section(name, command) for name, command in commands_of(app).items() if not command.hidden]
    return "\n".join(parts)


def _walk(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    inner: Mapping[str, Any] | None = getattr(command, "commands", None)
    if inner is None:
        yield " ".join(words), command
        return
    for name, one in inner.items():
        yield from _walk(one, (*words, name))


def _overview(commands: Mapping[str, Any]) -> str:
    lines = ["| command | what it does |", "|---|---|"]
    for name, command in commands.items():
        if not command.hidden:
            lines.append(f"| [`{name}`](#nearbeat-{name.replace(' ', '-')}) | {_cell(command.short_help or '')} |")
    return "\n".join(lines) + "\n"


def _section(name: str, command: Any) -> str:
    lines = [f"## nearbeat {name}", "", inspect.cleandoc(command.help or ""), ""]
    rows = [row for row in map(_row, command.params) if row]
    if rows:
        lines += ["| argument or option | meaning |", "|---|---|", *rows, ""]
    examples = [line.strip() for line in (command.epilog or "").splitlines() if line.strip().startswith("nearbeat ")]
    if examples:
        lines += ["```sh", *examples, "```", ""]
    return "\n".join(lines)


def _row(parameter: Any) -> str:
    if parameter.name == "help" or getattr(parameter, "hidden", False):
        return ""
    argument = parameter.param_type_name == "argument"
    options = [*parameter.opts, *parameter.secondary_opts]
    names = [parameter.metavar or parameter.name.upper()] if argument else options
    more = [] if not parameter.required else ["required"]
    if not argument and not parameter.required and parameter.default not in (None, False, "", ()):
        default = parameter.default
        shown = str(getattr(default, "value", default)) if default is not True else ""
        more += [f"default: {shown}"] if shown and not callable(default) else []
    behind = f" ({'; '.join(more)})" if more else ""
    value = f" {parameter.metavar}" if not argument and parameter.metavar else ""
    shown_names = ", ".join(f"`{name}{value}`" for name in names)
    return f"| {shown_names} | {_cell(parameter.help or '')}{behind} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("[,", "\\[,")


if __name__ == "__main__":
    from retrieval.app.main import build_app

    Path(sys.argv[1]).write_text(write_reference(build_app()), encoding="utf-8")
