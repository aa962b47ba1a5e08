"""What of a view is kept from a reader: three-sided privacy in one place (H2.7). Pure.

A field that tells of the applicant, of how somebody is reached, or of the subject's record says so where it is
declared: `telephone: Annotated[str | None, Needs(Permission.SEE_CONTACT)]`. `masked` walks whatever goes out and blanks
what the reader may not see. Every answer passes it, so no route and no service masks by itself.
"""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from re import Pattern
from typing import Any, TypeVar

from pydantic import BaseModel

from app.access.rules import VIEW_PERMISSIONS, Permission
from app.evidence.fields import models_in

T = TypeVar("T")
_SUBJECT = "subject"


@dataclass(frozen=True)
class Needs:
    """A field that only a reader with the permission sees; others get nothing in its place.

    `of_subject` is the permission instead where the person is the subject of the case. `where_it_says` narrows it to
    texts that match, for sentences that the service wrote itself.
    """

    permission: Permission
    of_subject: Permission | None = None
    where_it_says: Pattern[str] | None = None

    def keeps(self, value: Any, sees: Collection[Permission], *, of_subject: bool) -> bool:
        """Whether the reader sees the value."""
        wanted = self.of_subject if of_subject and self.of_subject else self.permission
        return wanted in sees or (self.where_it_says is not None and not self._says(value))

    def _says(self, value: Any) -> bool:
        assert self.where_it_says is not None  # asked for there alone
        return isinstance(value, str) and self.where_it_says.search(value) is not None


def masked(shown: T, sees: Collection[Permission]) -> T:
    """The view as a reader with these permissions sees it: fields blanked, and named in the nearest `withheld`.

    A field is named whether there is anything in it or not, so that the name tells nothing; only a sentence is named
    where it is kept. Views are left as they are; copies go out.
    """
    if set(sees) >= VIEW_PERMISSIONS:
        return shown
    found: T = _masked(shown, frozenset(sees), of_subject=False, withheld={})
    return found


def _masked(value: Any, sees: frozenset[Permission], *, of_subject: bool, withheld: dict[str, None]) -> Any:
    if type(value) in (list, tuple):  # a row of named columns shows as it was read: it has no marks
        return type(value)(_masked(one, sees, of_subject=of_subject, withheld=withheld) for one in value)
    if isinstance(value, dict):
        return {key: _masked(one, sees, of_subject=of_subject, withheld=withheld) for key, one in value.items()}
    if not isinstance(value, BaseModel):
        return value
    # What an instance holds decides: the class of a generic page does not say what lies in it.
    fields = type(value).model_fields
    own = {} if "withheld" in fields else withheld
    part = getattr(value, "role", None) or getattr(value, "part", None)
    about_subject = of_subject if part is None else part == _SUBJECT
    changed: dict[str, Any] = {}
    for name in fields:
        before = getattr(value, name)
        needs = marks_of(type(value)).get(name)
        if needs is not None and not needs.keeps(before, sees, of_subject=about_subject):
            own[name] = None
            changed[name] = [] if isinstance(before, list) else None
        elif (after := _masked(before, sees, of_subject=about_subject, withheld=own)) is not before:
            changed[name] = after
    if own is not withheld and (own or carries_marks(type(value))):
        changed["withheld"] = list(dict.fromkeys([*getattr(value, "withheld", ()), *own]))
    return value.model_copy(update=changed) if changed else value


@cache
def kept_back(shown: Any, sees: frozenset[Permission]) -> frozenset[str]:
    """The names of fields that views in an annotation never show a reader with these permissions: not logged as shown.

    One that is shown of the subject, or where its text allows it, is not among them.
    """
    marks = [mark for model in models_in(shown) for view in views_in(model) for mark in marks_of(view).items()]
    shows = {name for name, needs in marks if needs.where_it_says or sees & {needs.permission, needs.of_subject}}
    return frozenset(name for name, _ in marks if name not in shows)


@cache
def marks_of(view: type[BaseModel]) -> dict[str, Needs]:
    """The marked fields of a view, by name."""
    found = {}
    for name, field in view.model_fields.items():
        for mark in field.metadata:
            if isinstance(mark, Needs):
                found[name] = mark
    return found


@cache
def carries_marks(view: type[BaseModel]) -> bool:
    """Whether a view, or one that it holds, has a marked field."""
    return any(marks_of(one) for one in views_in(view))


def views_in(view: type[BaseModel]) -> set[type[BaseModel]]:
    """A view and every view that it holds, at any depth."""
    found: set[type[BaseModel]] = set()
    pending = [view]
    while pending:
        one = pending.pop()
        if one not in found:
            found.add(one)
            pending += [held for field in one.model_fields.values() for held in models_in(field.annotation)]
    return found
