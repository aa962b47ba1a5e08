"""Every text field of every form takes a text as it is or refuses it: no form changes what was typed."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from tests.naughty.forms import forms, name_of, text_fields
from tests.naughty.strings import ALL, IMPOSSIBLE, PLAIN

CANONICAL = {"pnc_id", "email"}
"""Kept in one form whatever was typed: a PNC identifier (H1.4), an address of staff in small letters."""
READ_STRICTLY = {"intake.DraftIn.typed{key}", "intake.DraftIn.typed{}"}
"""Takes whatever was typed so far; what no record can keep is refused as the body is read."""


@dataclass(frozen=True)
class Tried:
    """How one kind of field took every text of the list."""

    kept: frozenset[str]
    changed: frozenset[str]
    repeated: frozenset[str]


@cache
def tried(annotation: Any) -> Tried:
    """Try the whole list; many fields are of one kind."""
    takes = TypeAdapter(annotation)
    kept, changed, repeated = set(), set(), set()
    for text in ALL:
        try:
            if takes.validate_python(text) != text:
                changed.add(text)
            kept.add(text)
        except ValidationError as refused:
            says = " ".join(one["msg"] for one in refused.errors())
            if len(text) > 9 and text.strip() and text.strip() in says:
                repeated.add(text)
    return Tried(frozenset(kept), frozenset(changed), frozenset(repeated))


@pytest.mark.parametrize("form", forms(), ids=name_of)
def test_a_form_keeps_a_text_as_it_is_or_refuses_it(form: type[BaseModel]) -> None:
    for field in text_fields(form):
        found = tried(field.annotation)
        if field.way.rpartition(".")[2] not in CANONICAL:
            assert not found.changed, f"{field.name} changes what was typed"
        if field.name not in READ_STRICTLY:
            assert not found.kept & set(IMPOSSIBLE), f"{field.name} takes what no record can keep"
        assert not found.repeated, f"{field.name} repeats what was typed"


def test_there_are_many_and_what_takes_text_takes_more_than_ascii() -> None:
    fields = [field for form in forms() for field in text_fields(form)]
    assert len(fields) > 250
    assert sum(PLAIN in tried(field.annotation).kept for field in fields) > 220
