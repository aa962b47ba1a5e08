"""What waits to be sent, who was told, who is away, how each wants to be told, and where else alerts go."""

from datetime import date, datetime, time
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ForeignKeyConstraint, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from app.channels.terms import Channel, Message, ToldBecause
from app.storage.base import CaseRow, case_constraints, check, text_enum


class Outbox(SQLModel, table=True):
    """One message to one recipient by one channel, until it is delivered or given up.

    Written in the transaction of what it tells; `content` is what it says, settled then, so that every try says the
    same. A message of no case (digest, ping) has a force alone.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        ForeignKeyConstraint(
            ["case_id", "force_id"],
            ["application.id", "application.force_id"],
            name="fk_outbox_case",
            onupdate="CASCADE",
        ),
        Index("ix_outbox_case_id", "case_id"),
        Index(
            "ix_outbox_next_try_at",
            "next_try_at",
            postgresql_where=text("delivered_at IS NULL AND given_up_at IS NULL"),
        ),
        Index(
            "ix_outbox_settled",
            text("coalesce(delivered_at, given_up_at)"),
            postgresql_where=text("delivered_at IS NOT NULL OR given_up_at IS NOT NULL"),
        ),
        Index("ix_outbox_not_delivered", "channel", postgresql_where=text("delivered_at IS NULL")),
        UniqueConstraint("idempotency_key"),
        check("(channel = 'mail') = (staff_id IS NOT NULL)", "mail_has_a_reader"),
        check("(channel = 'webhook') = (subscription_id IS NOT NULL)", "webhook_has_a_subscription"),
        check("(message = 'alert') = (alert_id IS NOT NULL AND case_id IS NOT NULL)", "alert_has_a_case"),
        check("delivered_at IS NULL OR given_up_at IS NULL", "delivered_or_given_up"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    case_id: UUID | None = None
    force_id: str
    alert_id: UUID | None = Field(default=None, foreign_key="alert.id")
    channel: Channel = Field(sa_type=text_enum(Channel, "channel"))
    message: Message = Field(sa_type=text_enum(Message, "message"))
    staff_id: UUID | None = Field(default=None, foreign_key="staff_member.id")
    subscription_id: UUID | None = Field(default=None, foreign_key="webhook_subscription.id")
    idempotency_key: str
    content: dict[str, Any] = Field(sa_type=JSONB)
    created_at: datetime
    next_try_at: datetime
    claimed_until: datetime | None = None
    tries: int = 0
    delivered_at: datetime | None = None
    given_up_at: datetime | None = None
    last_error: str | None = None
    """The class of the last failure: never its text, which may quote an address."""


class AlertRoute(CaseRow, table=True):
    """That an alert was put before a person, and why this one."""

    __tablename__ = "alert_route"
    __table_args__ = case_constraints(
        "alert_route",
        UniqueConstraint("alert_id", "staff_id"),
        Index("ix_alert_route_staff_id", "staff_id"),
    )

    alert_id: UUID = Field(foreign_key="alert.id")
    staff_id: UUID = Field(foreign_key="staff_member.id")
    because: ToldBecause = Field(sa_type=text_enum(ToldBecause, "because"))
    in_place_of: UUID | None = Field(default=None, foreign_key="staff_member.id")
    routed_at: datetime


class Absence(SQLModel, table=True):
    """Somebody is away from one moment up to another; a deputy, where named, is told instead."""

    __tablename__ = "absence"
    __table_args__ = (
        Index("ix_absence_staff_id", "staff_id"),
        check("absent_from < absent_until", "from_before_until"),
        check("deputy_id <> staff_id", "deputy_is_another"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    staff_id: UUID = Field(foreign_key="staff_member.id")
    absent_from: datetime
    absent_until: datetime
    deputy_id: UUID | None = Field(default=None, foreign_key="staff_member.id")
    recorded_at: datetime
    recorded_by: UUID = Field(foreign_key="staff_member.id")
    ended_at: datetime | None = None
    """Back earlier than recorded, or recorded by mistake."""


class AlertPreference(SQLModel, table=True):
    """How a person wants to be told. Without a row: by mail, each alert by itself."""

    __tablename__ = "alert_preference"

    staff_id: UUID = Field(primary_key=True, foreign_key="staff_member.id")
    mail: bool = True
    digest: bool = False
    digest_at: time
    digested_on: date | None = None


class WebhookSubscription(SQLModel, table=True):
    """A system of the force that alerts are posted to. Its secrets are sealed; the first is shown once, when made."""

    __tablename__ = "webhook_subscription"
    __table_args__ = (
        Index("ix_webhook_subscription_force_id", "force_id"),
        check("(previous_secret IS NULL) = (previous_until IS NULL)", "previous_runs_out"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    force_id: str = Field(foreign_key="force.id")
    url: str
    secret: bytes = Field(sa_type=LargeBinary)
    previous_secret: bytes | None = Field(default=None, sa_type=LargeBinary)
    previous_until: datetime | None = None
    created_at: datetime
    created_by: UUID = Field(foreign_key="staff_member.id")
    disabled_at: datetime | None = None


class CalendarFeed(SQLModel, table=True):
    """An address under which a person's own clocks are read. Its token is kept as a hash alone."""

    __tablename__ = "calendar_feed"
    __table_args__ = (UniqueConstraint("token_hash"), Index("ix_calendar_feed_staff_id", "staff_id"))

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    staff_id: UUID = Field(foreign_key="staff_member.id")
    token_hash: str
    created_at: datetime
    revoked_at: datetime | None = None
