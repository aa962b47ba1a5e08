"""Forces, agencies, staff, and the keys of requests already answered."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ARRAY, Index, Text, UniqueConstraint, false, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine.interfaces import ExecutionContext
from sqlmodel import Field, SQLModel

from app.access.names import account_keys
from app.storage.base import CaseRow, case_constraints, check, text_enum

_REAL_NOW = {"server_default": func.clock_timestamp()}


class Installation(SQLModel, table=True):
    """One row: demonstration and production refuse each other's data."""

    __tablename__ = "installation"
    __table_args__ = (
        check("kind IN ('demonstration', 'production')", "kind"),
        check("only_row", "only_row"),
    )

    only_row: bool = Field(default=True, primary_key=True)
    kind: str
    told: list[str] = Field(default_factory=list, sa_type=ARRAY(Text), sa_column_kwargs={"server_default": "{}"})
    """The stories of the demonstration that were put in, by their keys."""


class Force(SQLModel, table=True):
    """A police force; `division` decides its bank holidays (H10.1)."""

    __tablename__ = "force"

    id: str = Field(primary_key=True)
    name: str
    division: str


class Agency(SQLModel, table=True):
    """An agency that sits on a force's forum: police, probation, IDVA service, children's social care ..."""

    __tablename__ = "agency"

    id: str = Field(primary_key=True)
    force_id: str = Field(foreign_key="force.id")
    kind: str
    name: str


def _keys_of_name(context: ExecutionContext) -> list[str]:
    given: dict[str, Any] = context.get_current_parameters()  # type: ignore[attr-defined]  # of the default context
    return list(account_keys(given["name"]))


class StaffMember(SQLModel, table=True):
    """An account. Police staff have a force; partners an agency; roles are read anew at every request."""

    __tablename__ = "staff_member"
    __table_args__ = (
        check("(force_id IS NULL) <> (agency_id IS NULL)", "one_organisation"),
        UniqueConstraint("subject"),
        Index("ix_staff_member_name_keys", "name_keys", postgresql_using="gin"),
        Index("ix_staff_member_born", "born"),
        Index("ix_staff_member_not_compared", "id", postgresql_where=text("NOT compared")),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    subject: str
    name: str
    force_id: str | None = Field(default=None, foreign_key="force.id")
    agency_id: str | None = Field(default=None, foreign_key="agency.id")
    roles: list[str] = Field(sa_type=ARRAY(Text))
    rank: str | None = None
    active: bool = True
    born: date | None = None
    """Compared with the parties of cases, and shown to nobody (H2.8)."""
    name_keys: list[str] | None = Field(
        default=None, sa_type=ARRAY(Text), nullable=False, sa_column_kwargs={"default": _keys_of_name}
    )
    """The name as it is compared, and every name before it: nobody is a stranger to a case by a new name (H2.8)."""
    former_surnames: list[str] | None = Field(default=None, sa_type=ARRAY(Text))
    """The surnames that former names may end in, as they are compared."""
    compared: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    """Whether it has been compared with the parties of every case; until then what may be about it is withheld."""
    email: str | None = None
    """The work address, for alerts alone (H2.2)."""
    claimed_roles: list[str] | None = Field(default=None, sa_type=ARRAY(Text))
    """The roles that the identity provider claimed at the last sign-in: what it newly claims is given, what it claims
    no longer is taken."""
    taken_roles: list[str] | None = Field(default=None, sa_type=ARRAY(Text))
    """What an administrator took: no claim gives it back, only an administrator does."""
    address_key: str | None = None
    """The home address as it is compared, never as it was given (H12.1)."""
    shifts: list[dict[str, Any]] | None = Field(default=None, sa_type=JSONB(none_as_null=True))
    """The weekly hours, where they are known: weekday, begins, ends."""


class AccountChange(SQLModel, table=True):
    """What an account may do, before and after: INSERT only, and a leaf of the tree, so that no right comes and goes
    without a trace. Names and addresses are no part of it.

    `changed_by` is the administrator; at a sign-in, where the identity provider's claims decide, the account itself;
    none of a force's first administrator, and of what stood before this was kept.
    """

    __tablename__ = "account_change"
    __table_args__ = (
        Index("ix_account_change_staff_id", "staff_id", "changed_at"),
        check("num_nulls(roles_before, active_before) IN (0, 2)", "new_or_not"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    force_id: str = Field(foreign_key="force.id")
    """The force, or the one that the account's agency sits with."""
    staff_id: UUID = Field(foreign_key="staff_member.id")
    changed_by: UUID | None = Field(default=None, foreign_key="staff_member.id")
    changed_at: datetime | None = Field(default=None, nullable=False, sa_column_kwargs=_REAL_NOW)
    """Real time, by the database's clock, as the log is dated."""
    roles_before: list[str] | None = Field(default=None, sa_type=ARRAY(Text))
    """None of an account that is new."""
    roles_after: list[str] = Field(sa_type=ARRAY(Text))
    rank_before: str | None = None
    rank_after: str | None = None
    active_before: bool | None = None
    active_after: bool


class CaseGrant(SQLModel, table=True):
    """A case that whoever sits at its item may see because it stands on an agenda; ended when the item is."""

    __tablename__ = "case_grant"

    staff_id: UUID = Field(primary_key=True, foreign_key="staff_member.id")
    item_id: UUID = Field(primary_key=True)
    case_id: UUID = Field(foreign_key="application.id", index=True)
    granted_at: datetime
    ended_at: datetime | None = None


class AccessKind(StrEnum):
    """What an entry says of one person and one case."""

    ALLOWED = "allowed"
    """May see a restricted case, as far as the role goes."""
    EXCLUDED = "excluded"
    """Sees nothing of the case, whatever else is said: beats every role and every other entry."""


class CaseRestriction(CaseRow, table=True):
    """A case that only those see who are allowed to, and professional standards (H2.8)."""

    __tablename__ = "case_restriction"
    __table_args__ = case_constraints("case_restriction", UniqueConstraint("case_id"))

    reason: str
    restricted_at: datetime
    restricted_by: UUID = Field(foreign_key="staff_member.id")
    leading_ranks: list[str] = Field(sa_type=ARRAY(Text))
    """The ranks of supervisors who see it, as the edition named them; worked out anew for each transaction."""
    since: datetime | None = Field(default=None, nullable=False, sa_column_kwargs=_REAL_NOW)
    """Real time, as the log is dated."""


class CaseAccess(CaseRow, table=True):
    """Who is allowed to see a restricted case, and who is excluded from any; the history is kept."""

    __tablename__ = "case_access"
    __table_args__ = case_constraints(
        "case_access",
        Index(
            "uq_case_access_in_force",
            "case_id",
            "staff_id",
            "kind",
            unique=True,
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index("ix_case_access_staff_id", "staff_id", postgresql_where=text("ended_at IS NULL")),
        check("num_nulls(ended_at, ended_by, ended_because, ended_since) IN (0, 4)", "ended_whole_or_not_at_all"),
    )

    staff_id: UUID = Field(foreign_key="staff_member.id")
    kind: AccessKind = Field(sa_type=text_enum(AccessKind, "kind"))
    reason: str
    recorded_at: datetime
    recorded_by: UUID = Field(foreign_key="staff_member.id")
    ended_at: datetime | None = None
    ended_by: UUID | None = Field(default=None, foreign_key="staff_member.id")
    ended_because: str | None = None
    certain: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    """An exclusion because the account certainly is a party's."""
    since: datetime | None = Field(default=None, nullable=False, sa_column_kwargs=_REAL_NOW)
    """Real time, as the log is dated; so is `ended_since`."""
    ended_since: datetime | None = None


class BrokenGlass(CaseRow, table=True):
    """That one person was let see a case that is withheld from them, for a time, with the reason. Real time."""

    __tablename__ = "broken_glass"
    __table_args__ = case_constraints(
        "broken_glass",
        Index("ix_broken_glass_staff_id", "staff_id", postgresql_where=text("ended_since IS NULL")),
        check("until <= since + interval '25 hours'", "within_a_day"),
        check("num_nulls(ended_since, ended_by, ended_because) IN (0, 3)", "ended_whole_or_not_at_all"),
    )

    staff_id: UUID = Field(foreign_key="staff_member.id")
    reason: str
    broken_at: datetime
    """The hour of the scheme."""
    since: datetime | None = Field(default=None, nullable=False, sa_column_kwargs=_REAL_NOW)
    until: datetime
    ended_since: datetime | None = None
    """Ended by somebody before its time."""
    ended_by: UUID | None = Field(default=None, foreign_key="staff_member.id")
    ended_because: str | None = None


class RefusalSeen(SQLModel, table=True):
    """A refusal in the log, on a case withheld from somebody, that the watch has looked at (H2.8)."""

    __tablename__ = "refusal_seen"

    log_id: UUID = Field(primary_key=True)


class AnsweredRequest(SQLModel, table=True):
    """An idempotency key: the request it came with and what was made. A replay is read anew, with today's rights."""

    __tablename__ = "answered_request"
    __table_args__ = (Index("ix_answered_request_answered_at", "answered_at"),)

    staff_id: UUID = Field(primary_key=True, foreign_key="staff_member.id")
    key: str = Field(primary_key=True, max_length=200)
    fingerprint: str
    case_id: UUID | None = None
    resource_id: UUID | None = None
    opened_id: UUID | None = None
    answered_at: datetime


class SignInAttempt(SQLModel, table=True):
    """A sign-in under way at the provider: good once, for minutes, and in the browser that began it.

    Both are SHA-256: whoever reads this table can finish nobody's sign-in.
    """

    __tablename__ = "sign_in_attempt"

    state_hash: str = Field(primary_key=True)
    browser_hash: str
    return_to: str
    step_up: bool
    expires_at: datetime = Field(index=True)


class SessionEnd(StrEnum):
    """Why a browser's session ended before its time."""

    SIGNED_OUT = "signed_out"
    REPLACED = "replaced"
    """The same browser signed in again."""
    ADMINISTRATOR = "administrator"
    ACCOUNT_CLOSED = "account_closed"


class BrowserSession(SQLModel, table=True):
    """A person signed in by a browser. The browser holds the token, this its SHA-256. All times are real time."""

    __tablename__ = "browser_session"
    __table_args__ = (
        UniqueConstraint("token_hash"),
        Index("ix_browser_session_staff_id", "staff_id"),
        check("num_nulls(ended_at, ended_because) IN (0, 2)", "ended_whole_or_not_at_all"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    token_hash: str
    staff_id: UUID = Field(foreign_key="staff_member.id")
    claimed_roles: list[str] | None = Field(default=None, sa_type=ARRAY(Text))
    """What the provider claimed at the sign-in; none where roles are not asked of it."""
    authenticated_at: datetime | None = None
    """When the person proved who it is, as far as the provider says."""
    started_at: datetime
    seen_at: datetime
    expires_at: datetime
    ended_at: datetime | None = None
    ended_because: SessionEnd | None = Field(default=None, sa_type=text_enum(SessionEnd, "ended_because"))
