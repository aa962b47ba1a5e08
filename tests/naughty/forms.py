"""Every text field of every form, found in the forms themselves: a new one cannot be forgotten."""

import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import Annotated, Any
from uuid import UUID

from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.types import AwareDatetime, PastDate
from starlette.routing import Match

from app.main import doors

Place = tuple[str | int, ...]
"""Where a text stands in a body: keys and positions."""
NO_TEXT = (UUID, bool, int, float, date, datetime, types.NoneType, AwareDatetime, PastDate)


@dataclass(frozen=True)
class TextField:
    """A field that takes text, by the form and the way to it: `intake.ApplicationIn.subject.aliases[].surname`."""

    form: str
    way: str
    annotation: Any

    @property
    def name(self) -> str:
        """The form and the way to it."""
        return f"{self.form}.{self.way}"


def forms() -> list[type[BaseModel]]:
    """Every form that a door reads a body by."""
    found = {name_of(form): form for door in doors() if (form := form_of(door)) is not None}
    return [found[name] for name in sorted(found)]


def name_of(form: type[BaseModel]) -> str:
    """The form with the package that it belongs to, since two packages may have one of a name."""
    return f"{form.__module__.split('.')[1]}.{form.__qualname__}"


def form_of(door: APIRoute) -> type[BaseModel] | None:
    """The form of a door, if it reads a body."""
    if door.body_field is None:
        return None
    form = door.body_field.field_info.annotation
    assert isinstance(form, type) and issubclass(form, BaseModel)
    return form


def door_of(method: str, path: str) -> APIRoute | None:
    """The door behind an address."""
    scope = {"type": "http", "method": method, "path": path}
    return next((door for door in doors() if door.matches(scope)[0] is Match.FULL), None)


def text_fields(form: type[BaseModel], way: str = "") -> Iterator[TextField]:
    """Every text field of a form and of the forms within it."""
    for name, field in form.model_fields.items():
        whole = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
        for under, annotation in _texts(whole, f"{way}{name}"):
            yield TextField(name_of(form), under, annotation)


def _texts(annotation: Any, way: str) -> Iterator[tuple[str, Any]]:
    bare, whole = annotation, annotation
    while typing.get_origin(bare) is Annotated:
        bare = typing.get_args(bare)[0]
    origin, inner = typing.get_origin(bare), typing.get_args(bare)
    if origin in (typing.Union, types.UnionType):
        for one in inner:
            yield from _texts(one, way)
    elif origin is list:
        yield from _texts(inner[0], f"{way}[]")
    elif origin is dict:
        yield from _texts(inner[0], f"{way}{{key}}")
        yield from _texts(inner[1], f"{way}{{}}")
    elif bare is str or bare is Any:
        yield way, whole
    elif isinstance(bare, type) and issubclass(bare, BaseModel):
        yield from ((f"{way}.{one.way}", one.annotation) for one in text_fields(bare))
    else:
        known = origin is typing.Literal or bare in NO_TEXT or (isinstance(bare, type) and issubclass(bare, Enum))
        assert known, f"{way}: whether {bare} is text is not known"


def places(form: type[BaseModel], body: dict[str, Any], at: Place = (), way: str = "") -> Iterator[tuple[Place, str]]:
    """Where in a body text may stand, and by which way: what is there, and what is left out and may be there."""
    for name, field in form.model_fields.items():
        yield from _placed(field.annotation, body.get(name), (*at, name), f"{way}{name}")


def _placed(annotation: Any, value: Any, at: Place, way: str) -> Iterator[tuple[Place, str]]:
    while typing.get_origin(annotation) is Annotated:
        annotation = typing.get_args(annotation)[0]
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        for one in inner:
            yield from _placed(one, value, at, way)
    elif origin is list:
        for number, one in enumerate(value or []):
            yield from _placed(inner[0], one, (*at, number), f"{way}[]")
    elif origin is dict:
        for key, one in (value or {}).items():
            yield from _placed(inner[1], one, (*at, key), f"{way}{{}}")
    elif annotation in (str, Any) and (isinstance(value, str) or (value is None and annotation is str)):
        yield at, way
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel) and isinstance(value, dict):
        yield from places(annotation, value, at, f"{way}.")
