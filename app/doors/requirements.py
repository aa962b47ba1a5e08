"""What a handler's signature asks for: the permission, and into what it lets. Tests see the permission there."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header, Path, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.access.deciding import AccessReason, may
from app.access.rules import Actor, Permission, roles_that_may
from app.cases.service import CaseNotFound, known_id
from app.doors.door import CaseDoor, Door
from app.doors.entering import ActorDep, SessionDep, must_be_recent
from app.errors import NotPermitted


class RoleMayNot(NotPermitted):
    """None of the person's roles carries the permission."""

    code = "role_may_not"


IdempotencyKey = Annotated[
    str | None,
    Header(
        pattern=r"^[A-Za-z0-9_-]{8,200}$",
        description="Chosen by the client, new for each new request; the same key and body are answered once.",
    ),
]
Reason = Annotated[
    AccessReason | None,
    Header(
        alias="Access-Reason",
        description="Why a case is read that is neither assigned to the reader nor opened, led or overseen by the "
        "reader: a code, which the log keeps. Without it such a case is not shown.",
    ),
]
CaseId = Annotated[str, Path(description="The id of the case.", examples=["5f0c6f5e-0f6c-4c55-9f0f-3c3b7a1f7f10"])]


@dataclass(frozen=True)
class _Requires:
    """A dependency that carries its permission where a test can see it."""

    permission: Permission

    def let_in(self, request: Request, response: Response, db: AsyncSession, person: Actor) -> Door:
        """The door for whoever has the permission; the refusal names those who have it."""
        request.state.action = self.permission.value
        decision = may(person, self.permission, None)
        request.state.rule = decision.rule
        if not decision.allowed:
            able = ", ".join(role.replace("_", " ") for role in roles_that_may(self.permission))
            raise RoleMayNot(f"Your role may not {self.permission.replace('_', ' ')}. Those who may: {able}.")
        must_be_recent(request, self.permission)  # after that: whoever may not is told so first
        return Door(
            session=db,
            actor=person,
            now=clock.now(),
            request_id=request.state.request_id,
            response=response,
            action=self.permission.value,
            path=f"{request.method} {request.url.path}",
            request=request,
            rule=decision.rule,
        )


class _Requirement(_Requires):
    async def __call__(self, request: Request, response: Response, db: SessionDep, person: ActorDep) -> Door:
        return self.let_in(request, response, db, person)


class _Look(_Requirement):
    async def __call__(
        self, request: Request, response: Response, db: SessionDep, person: ActorDep, reason: Reason = None
    ) -> Door:
        door = await super().__call__(request, response, db, person)
        door.reason = request.state.reason = reason
        return door


class _Creation(_Requirement):
    async def __call__(
        self,
        request: Request,
        response: Response,
        db: SessionDep,
        person: ActorDep,
        idempotency_key: IdempotencyKey = None,
    ) -> Door:
        door = await super().__call__(request, response, db, person)
        door.idempotency_key = idempotency_key
        return door


@dataclass(frozen=True)
class _CaseRequirement(_Requires):
    for_change: bool = False
    though_erased: bool = False

    async def _enter(
        self,
        request: Request,
        response: Response,
        db: AsyncSession,
        person: Actor,
        case_id: str,
        reason: AccessReason | None = None,
    ) -> CaseDoor:
        door = self.let_in(request, response, db, person)
        door.reason = request.state.reason = reason
        known = known_id(case_id, CaseNotFound())
        return await door.enter(known, for_change=self.for_change, though_erased=self.though_erased)


class _Reads(_CaseRequirement):
    async def __call__(
        self,
        request: Request,
        response: Response,
        db: SessionDep,
        person: ActorDep,
        case_id: CaseId,
        reason: Reason = None,
    ) -> CaseDoor:
        return await self._enter(request, response, db, person, case_id, reason)


class _Records(_CaseRequirement):
    async def __call__(
        self,
        request: Request,
        response: Response,
        db: SessionDep,
        person: ActorDep,
        case_id: CaseId,
        idempotency_key: IdempotencyKey = None,
    ) -> CaseDoor:
        door = await self._enter(request, response, db, person, case_id)
        door.idempotency_key = idempotency_key
        return door


class _Decides(_CaseRequirement):
    async def __call__(
        self,
        request: Request,
        response: Response,
        db: SessionDep,
        person: ActorDep,
        case_id: CaseId,
        idempotency_key: IdempotencyKey = None,
        if_match: Annotated[str | None, Header(description="The version of the case file read.")] = None,
    ) -> CaseDoor:
        door = await self._enter(request, response, db, person, case_id)
        door.idempotency_key, door.if_match = idempotency_key, if_match
        return door


def requires(permission: Permission) -> Any:
    """Let in whoever has the permission; for what has no case yet."""
    return Depends(_Requirement(permission))


def looks(permission: Permission) -> Any:
    """Let in to read of a case that the address does not name, as an item of an agenda; the handler enters it."""
    return Depends(_Look(permission))


def creates(permission: Permission) -> Any:
    """Let in to make something that has no case yet, once for each idempotency key."""
    return Depends(_Creation(permission))


def reads(permission: Permission, *, though_erased: bool = False) -> Any:
    """Let in to read one case; of one that is erased only what is left of it, `though_erased`."""
    return Depends(_Reads(permission, though_erased=though_erased))


def records(permission: Permission) -> Any:
    """Let in to record an act in one case."""
    return Depends(_Records(permission, for_change=True))


def decides(permission: Permission) -> Any:
    """Let in to take a decision on one case."""
    return Depends(_Decides(permission, for_change=True))
