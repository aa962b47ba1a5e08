"""The names of the fields that an answer shows: of the view, never of what stood in it (H12.1). Pure.

A view's names are the same for everybody and are worked out once. What is about a person goes by a dotted name: the
part of the case that it stands in (`parties.subject`), and the fields of a person under the name of their view
(`person.surname`), once however many persons were shown.
"""

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel

_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@cache
def fields_of(shown: Any, withheld: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """The names of what a view, or a list, page or union of views, shows, in the order of its fields.

    A name is left out where it, or any part of it, is `withheld` from the reader. What is no view has none.
    """
    names = [name for model in models_in(shown) for name in _names(model)]
    if is_dataclass(shown):
        names = [field.name for field in fields(shown)]
    return tuple(name for name in dict.fromkeys(names) if withheld.isdisjoint((name, *name.split("."))))


def _names(model: type[BaseModel]) -> Iterator[str]:
    """A page's own fields are the list's and no one's data: the names are those of what it lists."""
    if "items" in model.model_fields:
        for listed in models_in(model.model_fields["items"].annotation):
            yield from _names(listed)
        return
    opened: set[type[BaseModel]] = set()
    yield from _within(model, "", opened)


def _within(model: type[BaseModel], prefix: str, opened: set[type[BaseModel]]) -> Iterator[str]:
    personal: list[type[BaseModel]] = []
    for name, field in model.model_fields.items():
        if field.exclude:
            continue
        inner = [one for one in models_in(field.annotation) if _tells_of_a_person(one)]
        personal += [one for one in inner if one not in opened]
        yield prefix + name
    for one in dict.fromkeys(personal):
        opened.add(one)
        yield from _within(one, f"{_named(one)}.", opened)


@cache
def _tells_of_a_person(model: type[BaseModel]) -> bool:
    """Whether it is a person's view, or holds one."""
    if getattr(model, "is_a_person", False):
        return True
    return any(_tells_of_a_person(one) for field in model.model_fields.values() for one in models_in(field.annotation))


def _named(model: type[BaseModel]) -> str:
    return _WORDS.sub("_", model.__name__.removesuffix("View")).lower()


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """The models in an annotation, whatever lists and unions it wraps them in."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in models_in(part)]
