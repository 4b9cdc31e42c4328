"""What a command is told of samples whose file does not say it."""

from __future__ import annotations

from typing import Annotated

import typer

RateOption = Annotated[
    float | None, typer.Option("--rate", metavar="HZ", help="Samples a second, of a CSV or NPY that says none.")
]
UnitOption = Annotated[
    str | None, typer.Option("--unit", metavar="mV", help="What its numbers are: mV, uV, nV or V.")
]
