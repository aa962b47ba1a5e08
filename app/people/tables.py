"""Persons as recorded in a case: names, addresses, identifiers, and how they can be reached safely (H1.4, H2.1)."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from app.storage.base import CaseRow, case_constraints, check, text_enum


class Gender(StrEnum):
    """As the person gives it."""

    FEMALE = "female"
    MALE = "male"
    OTHER = "other"
    NOT_STATED = "not_stated"


def _of_person(table: str, *more: Any) -> tuple[Any, ...]:
    """`__table_args__` of a row about a person, which plays the part that the person plays."""
    part = ForeignKeyConstraint(["person_id", "part"], ["person.id", "person.part"], name=f"fk_{table}_part")
    return case_constraints(table, part, *more)


class Person(CaseRow, table=True):
    """A person of one case. A blank beats a known error: every field may be empty, none is invented (H1.4).

    The part is the party's; it stands here and on every row about the person, because row-level security compares it
    where it stands: who only applied is kept from some readers (H2.7).
    """

    __tablename__ = "person"
    __table_args__ = case_constraints(
        "person",
        Index("ix_person_surname_key", "force_id", "surname_key"),
        Index("ix_person_pnc_id", "force_id", "pnc_id"),
        UniqueConstraint("id", "part"),
        check("born IS NOT NULL OR NOT born_estimated", "estimate_of_something"),
        check("part IN ('subject', 'potential_victim', 'applicant', 'child')", "part"),
    )

    part: str
    given_names: str | None = None
    surname: str | None = None
    given_key: str | None = None
    surname_key: str | None = None
    """Names as they are searched for: without case, accents and separators."""
    born: date | None = None
    born_estimated: bool = False
    gender: Gender = Field(default=Gender.NOT_STATED, sa_type=text_enum(Gender, "gender"))
    ethnicity: str | None = None
    pnc_id: str | None = None
    telephone: str | None = None
    email: str | None = None
    language: str | None = None
    interpreter_needed: bool = False
    access_needs: str | None = None


class KeptBecause(StrEnum):
    """Why a version of a person is kept beside the person (H1.4)."""

    HELD_BEFORE = "held_before"
    """What was recorded until it was amended."""
    TOLD_OTHERWISE = "told_otherwise"
    """What a later contact said, where something else is recorded: somebody compares the two."""


class PersonVersion(CaseRow, table=True):
    """What was recorded of a person before, or was said and does not stand. Append-only: nothing typed is lost."""

    __tablename__ = "person_version"
    __table_args__ = _of_person("person_version")

    person_id: UUID = Field(foreign_key="person.id", index=True)
    part: str
    because: KeptBecause = Field(sa_type=text_enum(KeptBecause, "because"))
    said: dict[str, object] = Field(sa_type=JSONB)
    recorded_at: datetime
    recorded_by: UUID = Field(foreign_key="staff_member.id")


class PersonAlias(CaseRow, table=True):
    """Another name that the person uses or used."""

    __tablename__ = "person_alias"
    __table_args__ = _of_person("person_alias", Index("ix_person_alias_surname_key", "force_id", "surname_key"))

    person_id: UUID = Field(foreign_key="person.id", index=True)
    part: str
    given_names: str | None = None
    surname: str | None = None
    surname_key: str | None = None
    recorded_at: datetime


class PersonAddress(CaseRow, table=True):
    """Where the person lives or lived; five years are asked for the subject."""

    __tablename__ = "person_address"
    __table_args__ = _of_person("person_address")

    person_id: UUID = Field(foreign_key="person.id", index=True)
    part: str
    address: str
    lived_from: date | None = None
    lived_to: date | None = None
    recorded_at: datetime


class SafeContact(CaseRow, table=True):
    """How a person may be reached without the subject learning of it: place, means and times (H2.1).

    Append-only: the newest row holds. Without an agreed means the approach is planned in `approach_plan` first.
    """

    __tablename__ = "safe_contact"
    __table_args__ = _of_person(
        "safe_contact",
        check(
            "(place IS NOT NULL AND means IS NOT NULL AND times IS NOT NULL) OR approach_plan IS NOT NULL",
            "agreed_or_planned",
        ),
    )

    person_id: UUID = Field(foreign_key="person.id", index=True)
    part: str
    place: str | None = None
    means: str | None = None
    times: str | None = None
    approach_plan: str | None = None
    recorded_at: datetime
    recorded_by: UUID = Field(foreign_key="staff_member.id")
