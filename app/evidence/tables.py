"""Who touched what: ids only, INSERT only, dated by the database itself. And the tree that proves it."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Identity, Index, LargeBinary, SmallInteger, func, text
from sqlmodel import Field, SQLModel

from app.evidence.terms import Category
from app.storage.base import check, text_enum


class LogRow(SQLModel, table=True):
    """One request's touch. `case_id` has no foreign key: the proof outlives the case (H12.2)."""

    __tablename__ = "access_log"
    __table_args__ = (
        Index("ix_access_log_case_id", "case_id"),
        Index("ix_access_log_staff_id", "staff_id"),
        Index("ix_access_log_refused", "case_id", postgresql_where=text("refused")),
    )

    id: UUID = Field(primary_key=True)
    logged_at: datetime = Field(sa_column_kwargs={"server_default": func.clock_timestamp()})
    category: Category = Field(sa_type=text_enum(Category, "category"))
    action: str
    refused: bool = False
    staff_id: UUID | None = None
    organisation: str | None = None
    force_id: str | None = None
    case_id: UUID | None = None
    event_id: UUID | None = None
    recipient: UUID | None = None
    request_id: str


class LeafDue(SQLModel, table=True):
    """A record that waits to be numbered; a trigger on each covered table puts it here, whoever writes."""

    __tablename__ = "leaf_due"

    position: int = Field(
        default=None, primary_key=True, sa_type=BigInteger, sa_column_args=[Identity(always=True)], nullable=False
    )
    kind: str
    record_id: UUID


class Leaf(SQLModel, table=True):
    """A record as the tree covers it, under its number. Nobody changes one; its salt may be erased (H12.2).

    `case_id` has no foreign key: the proof outlives the case.
    """

    __tablename__ = "leaf"
    __table_args__ = (check("number >= 0", "counted_from_zero"), Index("ix_leaf_case_id", "case_id"))

    number: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    kind: str
    record_id: UUID = Field(unique=True)
    case_id: UUID | None = None
    told: bytes = Field(sa_type=LargeBinary)
    salt: bytes | None = Field(default=None, sa_type=LargeBinary)
    numbered_at: datetime


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
