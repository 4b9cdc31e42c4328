"""What each command has in common, whoever wrote it: ``--quiet``, and examples behind its help."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from retrieval.app.console import hushed
from retrieval.app.examples import EXAMPLES

QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="No progress and no remarks on stderr; errors are still said.")
]


def complete(app: typer.Typer, above: str = "") -> None:
    """Give every command of an application, those of its groups too, the common options and its examples."""
    for command in app.registered_commands:
        if command.callback is None or command.hidden:
            continue
        name = f"{above}{command.name or command.callback.__name__.replace('_', '-')}"
        command.short_help = command.short_help or _first_sentence(command.callback)
        command.callback = _with_quiet(command.callback)
        if name in EXAMPLES:
            command.epilog = _epilog(EXAMPLES[name])
    for group in app.registered_groups:
        if group.typer_instance is not None:
            complete(group.typer_instance, f"{above}{group.name} ")


def _first_sentence(callback: Callable[..., Any]) -> str | None:
    """What a list of commands says of one; it would be cut short otherwise."""
    text = inspect.getdoc(callback)
    return " ".join(text.split("\n\n")[0].split()).split(". ")[0].removesuffix(".") if text else None


def _with_quiet(callback: Callable[..., Any]) -> Callable[..., Any]:
    """The command with one option more, which it does not see."""
    signature = inspect.signature(callback, eval_str=True)
    if "quiet" in signature.parameters:
        return callback

    @functools.wraps(callback)
    def command(*given: Any, quiet: bool = False, **named: Any) -> Any:
        with hushed(quiet):
            return callback(*given, **named)

    option = inspect.Parameter("quiet", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=QuietOption)
    parameters = [*signature.parameters.values(), option]
    command.__dict__["__signature__"] = signature.replace(parameters=parameters)
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    return command


def _epilog(examples: tuple[str, ...]) -> str:
    """As paragraphs that are not filled: a line may be copied as it stands."""
    return "\b\nExamples:\n" + "\n".join(f"  {example}" for example in examples)
