"""Who touched what: ids only, INSERT only, dated by the database itself. And the tree that proves it."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Computed,
    ForeignKeyConstraint,
    Identity,
    Index,
    LargeBinary,
    SmallInteger,
    Text,
    func,
    text,
)
from sqlmodel import Field, SQLModel

from app.evidence.terms import Category
from app.storage.base import RECORDED_IN, check, text_enum


class LogRow(SQLModel, table=True):
    """One request's touch. `case_id` has no foreign key: the proof outlives the case (H12.2).

    Rows of releases before this one have no role, fields, decision, rule, reason or transaction.
    """

    __tablename__ = "access_log"
    __table_args__ = (
        Index("ix_access_log_case_id", "case_id"),
        Index("ix_access_log_staff_id", "staff_id", "logged_at"),
        Index("ix_access_log_refused", "case_id", postgresql_where=text("refused")),
        Index("ix_access_log_recorded_in", "recorded_in", "id"),
        check("(category = 'disclosure') = (recipient IS NOT NULL)", "recipient_of_a_disclosure"),
        check("decision IS NULL OR refused = (decision <> 'allowed')", "refused_as_decided"),
    )

    id: UUID = Field(primary_key=True)
    logged_at: datetime = Field(sa_column_kwargs={"server_default": func.clock_timestamp()})
    category: Category = Field(sa_type=text_enum(Category, "category"))
    action: str
    refused: bool = False
    staff_id: UUID | None = None
    organisation: str | None = None
    force_id: str | None = None
    """The force whose case it is, or without a case that of whoever asked."""
    reader_force_id: str | None = None
    """The force of whoever asked: both read the row."""
    case_id: UUID | None = None
    event_id: UUID | None = None
    recipient: UUID | None = None
    request_id: str
    role: str | None = None
    """The role that carried the permission, first in the order of H1.3; the others are not listed."""
    fields: list[str] | None = Field(default=None, sa_type=ARRAY(Text))
    """The names of what was shown; empty where nothing was."""
    decision: str | None = None
    """`allowed`, or the code that the refusal was answered with."""
    rule: str | None = None
    """The rule by which that was decided, where one is named."""
    reason: str | None = None
    """Why it was done, as a code, where that is asked for."""
    recorded_in: int | None = Field(
        default=None, sa_type=BigInteger, sa_column_kwargs={"server_default": text(RECORDED_IN)}
    )
    """The transaction that wrote it: unlike its moment, it tells a reader that nothing earlier can appear any more."""


class LoggedIndividual(SQLModel, table=True):
    """A person of a case whom a row of the log touched; neither is a foreign key, since the proof outlives both."""

    __tablename__ = "access_log_individual"
    __table_args__ = (Index("ix_access_log_individual_person_id", "person_id"),)

    log_id: UUID = Field(primary_key=True, foreign_key="access_log.id")
    case_id: UUID = Field(primary_key=True)
    person_id: UUID = Field(primary_key=True)


class LoggedCase(SQLModel, table=True):
    """A case that a list, a search or a feed showed, of which the row of the log names no one alone."""

    __tablename__ = "access_log_case"
    __table_args__ = (Index("ix_access_log_case_case_id", "case_id"),)

    log_id: UUID = Field(primary_key=True, foreign_key="access_log.id")
    case_id: UUID = Field(primary_key=True)


class LeafDue(SQLModel, table=True):
    """A record that waits to be numbered; a trigger on each covered table puts it here, whoever writes."""

    __tablename__ = "leaf_due"

    position: int = Field(
        default=None, primary_key=True, sa_type=BigInteger, sa_column_args=[Identity(always=True)], nullable=False
    )
    kind: str
    record_id: UUID
    queued_at: datetime = Field(sa_column_kwargs={"server_default": func.clock_timestamp()})
    """Of real time: how long it waits is how far the worker is behind."""
    untold: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    """Whether the worker looked at it and could make no leaf of it: it waits on, and holds nothing else up."""


class Leaf(SQLModel, table=True):
    """A record as the tree covers it, under its number. Only erasing its case changes one (H12.2).

    `case_id` has no foreign key: the proof outlives the case.
    """

    __tablename__ = "leaf"
    __table_args__ = (check("number >= 0", "counted_from_zero"), Index("ix_leaf_case_id", "case_id"))

    number: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    kind: str
    record_id: UUID = Field(unique=True)
    case_id: UUID | None = None
    told: bytes = Field(sa_type=LargeBinary)
    salt: bytes = Field(sa_type=LargeBinary)
    numbered_at: datetime
    erasable_salt: bytes | None = Field(default=None, sa_type=LargeBinary)
    """Of what erasing takes out of the record; it goes with that, and never comes back."""


class TreeNode(SQLModel, table=True):
    """The hash of a complete subtree; level 0 are the leaves themselves."""

    __tablename__ = "tree_node"

    level: int = Field(primary_key=True, sa_type=SmallInteger, sa_column_kwargs={"autoincrement": False})
    place: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    hash: bytes = Field(sa_type=LargeBinary)


class SignedCheckpoint(SQLModel, table=True):
    """A root that was signed, and when the witness had it. One for a size, for ever."""

    __tablename__ = "checkpoint"

    size: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    root: bytes = Field(sa_type=LargeBinary)
    note: str
    signed_at: datetime
    witnessed_at: datetime | None = None


class Sequencing(SQLModel, table=True):
    """How the numbering stands: the public key of its signatures, and what keeps it from going on."""

    __tablename__ = "sequencing"
    __table_args__ = (check("only_row", "only_row"),)

    only_row: bool = Field(default=True, primary_key=True)
    public_key: str
    trouble: str | None = None
    since: datetime


_SAID_VERSION = Computed(
    "COALESCE((substring(encode(wrapped, 'escape'::text), '^[a-z]+[:]v([1-9][0-9]{0,8})[:]'::text))::integer, 0)",
    persisted=True,
)


class CaseKey(SQLModel, table=True):
    """The data key of a case, wrapped by a key-encryption key: who destroys the row erases every text of the case.

    Rewrapping changes this row and no record. `public_half` seals to the key and opens nothing; `vouched` is the
    service's word for both (`evidence.vouching`).
    """

    __tablename__ = "case_key"
    __table_args__ = (
        ForeignKeyConstraint(
            ["case_id", "force_id"],
            ["application.id", "application.force_id"],
            name="fk_case_key_case",
            onupdate="CASCADE",
        ),
        Index("ix_case_key_key_version", "key_version", "case_id"),
        check("octet_length(public_half) = 32", "public_half_is_a_key"),
        check("octet_length(vouched) = 32", "vouched_is_a_digest"),
    )

    case_id: UUID = Field(primary_key=True)
    force_id: str
    wrapped: bytes = Field(sa_type=LargeBinary)
    key_version: int = Field(sa_column_args=[_SAID_VERSION])
    """As `wrapped` says, for which the service vouches (`keys.version_of`): nobody writes it."""
    public_half: bytes = Field(sa_type=LargeBinary)
    vouched: bytes = Field(sa_type=LargeBinary)
    made_at: datetime
