"""Options that several commands share, defined once: a dataclass whose fields are options, spread over a command."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

Options = TypeVar("Options")


def spread(options: Callable[..., Options]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the fields of a dataclass as options beside its own.

    Args:
        options: a dataclass; each field is annotated as a parameter of a Typer command is.

    The command's first parameter gets the dataclass, filled from the command line.
    """
    shared = inspect.signature(options, eval_str=True).parameters

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
        merged = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in (*own, *shared.values())]

        @wraps(command)
        def run(**values: Any) -> None:
            given = {name: values.pop(name) for name in shared}
            command(options(**given), **values)

        # Typer reads both: the signature for the options, the annotations for types written as text.
        vars(run)["__signature__"] = inspect.Signature(merged)
        run.__annotations__ = {one.name: one.annotation for one in merged}
        return run

    return decorate
