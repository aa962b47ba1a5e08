"""How somebody came in, kept for as long as the request or the stream lasts: by what, until when, signed in when."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.access.claimed import NOTHING_CLAIMED, Claimed
from app.access.rules import STEP_UP, Actor, Permission
from app.access.service import enter_as
from app.access.sessions import Limits, is_in_force
from app.errors import Unauthenticated


class EntryEnded(Unauthenticated):
    """The token or the session that somebody came in by is over."""

    code = "no_token"


class StepUpRequired(Unauthenticated):
    """The sign-in is too long ago for one of the gravest decisions (RFC 9470)."""

    code = "step_up_required"

    def __init__(self, window: timedelta) -> None:
        minutes = round(window.total_seconds() / 60)
        super().__init__(
            f"This decision needs a sign-in of the last {minutes} minutes, and nothing was done. Sign in again "
            "(GET /v1/sign-in?step_up=true, or a token with a fresh auth_time), then send it again."
        )
        self.challenge = (
            'Bearer error="insufficient_user_authentication", '
            'error_description="A more recent sign-in is required", '
            f'max_age="{int(window.total_seconds())}"'
        )


@dataclass(frozen=True)
class Entry:
    """A bearer token, or a browser's session where `session_id` is given."""

    subject: str
    expires_at: datetime
    authenticated_at: datetime | None = None
    claimed: Claimed = NOTHING_CLAIMED
    session_id: UUID | None = None
    idle_at: datetime | None = None

    async def person(self, session: AsyncSession, *, limits: Limits, now: datetime) -> Actor:
        """Who that is by the rights of this moment (`now` is real time), for whoever stays longer than one request.

        Raises Unauthenticated where the token, the session or the account has ended meanwhile.
        """
        stands = now < self.expires_at
        if stands and self.session_id is not None:
            stands = await is_in_force(session, self.session_id, limits=limits, now=now)
        if not stands:
            raise EntryEnded("The sign-in is over. Sign in again.")
        return await enter_as(session, self.subject, claimed=self.claimed)

    def must_be_recent(self, permission: Permission, *, window: timedelta, now: datetime) -> None:
        """Raise StepUpRequired where the permission asks for a recent sign-in and this one is old or of unknown age."""
        if permission not in STEP_UP:
            return
        if self.authenticated_at is None or now - self.authenticated_at > window:
            raise StepUpRequired(window)
