"""The request's one session, and the person behind it: whoever asks, by a guarded token and an active account."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.access.rules import Actor
from app.access.service import enter_as
from app.access.tokens import TokenReader, TokenRefused
from app.errors import Unauthenticated


class NoToken(Unauthenticated):
    """The request carries no usable bearer token."""

    code = "no_token"


async def session(request: Request) -> AsyncIterator[AsyncSession]:
    """The request's one session: committed after the handler and before the answer, rolled back on any error."""
    async with request.app.state.sessions() as opened:
        yield opened
        await opened.commit()


SessionDep = Annotated[AsyncSession, Depends(session, scope="function")]

_bearer = HTTPBearer(auto_error=False, description="A token of the configured issuer.")


async def actor(
    request: Request,
    db: SessionDep,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Actor:
    """Who asks, by a guarded token and an active account; the transaction then reaches that person's rows only."""
    if bearer is None:
        raise NoToken("Send a bearer token: 'Authorization: Bearer <token>'.")
    reader: TokenReader = request.app.state.tokens
    try:
        claims = reader.read(bearer.credentials, now=clock.real_now())
    except TokenRefused as refused:
        raise NoToken(f"The token was refused ({refused.reason}). Sign in again.") from None
    person = await enter_as(db, claims.subject)
    request.state.actor, request.state.token = person, claims
    return person


ActorDep = Annotated[Actor, Depends(actor)]
