"""The templates, and the addresses of the files beside them."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from jinja2 import Environment, PackageLoader, StrictUndefined

KINDS = MappingProxyType({"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"})


@cache
def environment() -> Environment:
    """The templates; everything that is put into them is escaped."""
    made = Environment(
        loader=PackageLoader("retrieval.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["asset"] = address
    return made


def asset_names() -> tuple[str, ...]:
    """The style sheets, scripts and pictures that pages load."""
    return tuple(sorted(one.name for one in files("retrieval.web").joinpath("static").iterdir() if one.is_file()))


@cache
def asset(name: str) -> bytes:
    """The bytes of such a file; ``KeyError`` for a name that is none."""
    if name not in asset_names():
        raise KeyError(name)
    return files("retrieval.web").joinpath("static", name).read_bytes()


@cache
def mark() -> str:
    """A few letters that change with any of the files, so that browsers may keep them and never show an old one."""
    return hashlib.sha256(b"".join(asset(name) for name in asset_names())).hexdigest()[:10]


def address(name: str) -> str:
    """Where such a file is fetched from."""
    asset(name)
    return f"/static/{mark()}/{name}"
