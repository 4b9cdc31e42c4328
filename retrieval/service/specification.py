"""What OpenAPI says of the API: FastAPI's description, made true where a form is read otherwise than it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI

Schema = dict[str, Any]
_NAMED = ("title", "description", "default", "examples")


def described(about: str, routes: Callable[[FastAPI], None]) -> Callable[[], Schema]:
    """OpenAPI of the API alone, whatever stands beside it; the guard asks for the tokens that it tells of.

    Args:
        about: what the API is.
        routes: puts its routes into an application.
    """
    alone = FastAPI(title="NearBeat", version=version("nearbeat"), description=about)
    routes(alone)

    @cache
    def found() -> Schema:
        found = alone.openapi()
        found.setdefault("components", {})["securitySchemes"] = {
            "token": {
                "type": "http",
                "scheme": "bearer",
                "description": "made by nearbeat token add; a service on loopback without tokens needs none",
            }
        }
        return {**with_empty_fields(without_null(found)), "security": [{"token": []}, {}]}

    return found


def without_null(found: Schema) -> Schema:
    """OpenAPI in which no form and no query claims to take ``null``: neither can carry one."""
    fields = [field for shape in _forms(found) for field in shape["properties"].values()]
    for path in found["paths"].values():
        fields += [parameter["schema"] for method in path.values() for parameter in method.get("parameters", ())]
    for field in fields:
        kinds = [kind for kind in field.get("anyOf", ()) if kind != {"type": "null"}]
        if len(kinds) == 1:
            del field["anyOf"]
            field.update(kinds[0])
    return found


def with_empty_fields(found: Schema) -> Schema:
    """OpenAPI in which a field of a form may be empty where it may be left out, since both are the same to a form."""
    for shape in _forms(found):
        for name, field in shape["properties"].items():
            given = {key: field.pop(key) for key in list(field) if key not in _NAMED}
            left_out = name not in shape.get("required", ())
            narrow = "enum" in given or given.get("type") in ("integer", "number", "boolean")
            field.update({"anyOf": [given, {"type": "string", "const": ""}]} if left_out and narrow else given)
    return found


def _forms(found: Schema) -> Iterator[Schema]:
    for name, shape in found["components"]["schemas"].items():
        if name.startswith("Body_"):
            yield shape
