"""A request that is let in, and one that is let in to a case: how acts are recorded, decisions taken, rows read."""

import hashlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Protocol, TypeVar
from uuid import UUID

import rfc8785
from fastapi import Request, Response
from pydantic import BaseModel
from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.deciding import AccessReason, CaseFacts, needs_reason
from app.access.masking import kept_back
from app.access.names import is_own_name
from app.access.rules import Actor, Permission
from app.access.service import see_whole
from app.access.tables import AnsweredRequest
from app.cases.schemas import FlagView, Receipt, Recorded
from app.cases.service import access_case
from app.cases.tables import Case
from app.errors import ReasonRequired, StaleVersion, Unprocessable, VersionRequired, refuse_if
from app.evidence.owing import Touch, owe_row, show, withhold
from app.evidence.terms import OWN_NAME, Category
from app.people.schemas import RowView
from app.safeguarding.lateness import obstacles_to_going_on
from app.safeguarding.service import rows_of
from app.safeguarding.tables import Duty
from app.safeguarding.terms import DutyKind
from app.storage.base import columns_of, table_of
from app.storage.statements import rows, write


class Made(Protocol):
    """What an act made, known by its id."""

    @property
    def id(self) -> UUID:
        """Under which it is kept."""
        ...


R = TypeVar("R", bound=RowView)
M = TypeVar("M", bound=Made)
CaseService = Callable[..., Awaitable[Recorded]]
"""Called with (session, case, body, actor=, now=), as every service that changes a case is."""

_answered, _duty = columns_of(AnsweredRequest), columns_of(Duty)
_CLAIM = insert(table_of(AnsweredRequest)).on_conflict_do_nothing().returning(_answered.key)
_REMEMBER = update(table_of(AnsweredRequest)).where(
    _answered.staff_id == bindparam("claimed_by"), _answered.key == bindparam("claimed")
)
_FLAGGED = select(_duty.code, _duty.says, _duty.rule).where(
    _duty.case_id == bindparam("case_id"),
    _duty.about_id == bindparam("about_id"),
    _duty.kind == DutyKind.SUPERVISOR_REVIEW,
)


class KeyReused(Unprocessable):
    """The idempotency key came before with another request."""

    code = "idempotency_key_reused"


@dataclass(kw_only=True)
class Door:
    """A request that is let in: for lists, searches, and what has no case yet."""

    session: AsyncSession
    actor: Actor
    now: datetime
    request_id: str
    response: Response
    action: str
    path: str
    idempotency_key: str | None = None
    request: Request | None = None
    reason: AccessReason | None = None
    """Why the person says that a case is read which is not the own."""
    rule: str = "role H1.3"
    """What let the person in, as `may` names it."""

    async def log(
        self,
        category: Category,
        *,
        case_id: UUID | None = None,
        force_id: str | None = None,
        recipient: UUID | None = None,
        event_id: UUID | None = None,
        reason: str | None = None,
        shown: Any = None,
    ) -> None:
        """Let this request's commit leave its row in the log, with whom it touched and what it showed (H12.1).

        `shown` is the view that goes out, where that is not what the route answers with.
        """
        state = None if self.request is None else self.request.state
        if shown is None and self.request is not None:
            shown = getattr(self.request.scope.get("route"), "response_model", None)
        withhold(self.session, kept_back(shown, self.actor.sees))
        owe_row(
            self.session,
            Touch(
                category=category,
                action=self.action,
                request_id=self.request_id,
                staff_id=self.actor.staff_id,
                organisation=self.actor.organisation,
                force_id=force_id or self.actor.serves_force_id,
                reader_force_id=self.actor.serves_force_id,
                role=self.actor.acts_as(self.action),
                case_id=case_id,
                event_id=event_id,
                recipient=recipient,
                rule=getattr(state, "rule", None),
                reason=reason or getattr(state, "reason", None),
                shown=shown,
            ),
        )

    def shows(self, case_ids: Iterable[UUID | None]) -> None:
        """Let the row of a list say which cases were on it."""
        show(self.session, case_ids)

    async def answered(self, body: BaseModel) -> AnsweredRequest | None:
        """The answer given before under this idempotency key, if any; else the key is claimed for this transaction.

        Two requests with one key at once: the second waits for the first to commit and then finds its answer.
        """
        if self.idempotency_key is None:
            return None
        print_of_it = fingerprint(self.path, body)
        claim = {"staff_id": self.actor.staff_id, "key": self.idempotency_key, "fingerprint": print_of_it}
        if await rows(self.session, _CLAIM, **claim, answered_at=self.now):
            return None
        before = await self.session.get_one(AnsweredRequest, (self.actor.staff_id, self.idempotency_key))
        if before.fingerprint != print_of_it:
            raise KeyReused(
                "This Idempotency-Key came before with another request. Use a new key for a new request.",
                field="Idempotency-Key",
            )
        self.response.headers["Idempotent-Replayed"] = "true"
        self.asks_for(before.case_id)
        await self.log(Category.CONSULTATION, case_id=before.case_id)
        return before

    async def opened(self, case_id: UUID, version: int) -> None:
        """A case was opened: log the collection, remember the key, say the version to whoever may read the case."""
        await self.log(Category.COLLECTION, case_id=case_id, force_id=self.actor.serves_force_id)
        await self.remember(case_id=case_id, resource_id=case_id)
        if self.actor.may(Permission.SEE_ROUTE):
            self.response.headers["ETag"] = f'"{version}"'

    async def remember(self, *, case_id: UUID | None, resource_id: UUID, opened_id: UUID | None = None) -> None:
        """Keep what was made under the key claimed before."""
        if self.idempotency_key is None:
            return
        claimed = {"claimed_by": self.actor.staff_id, "claimed": self.idempotency_key}
        made = {"case_id": case_id, "resource_id": resource_id, "opened_id": opened_id}
        await write(self.session, _REMEMBER, {**claimed, **made})

    async def forget(self) -> None:
        """Keep the key claimed before, and not what it came with: the hash of that would outlive what was erased."""
        if self.idempotency_key is not None:
            claimed = {"claimed_by": self.actor.staff_id, "claimed": self.idempotency_key}
            await write(self.session, _REMEMBER, {**claimed, "fingerprint": ""})

    async def leave(self) -> None:
        """Commit what the request wrote, its row in the log too, and give the connection back: what follows waits."""
        await self.session.commit()

    def asks_for(self, case_id: UUID | None = None, *, through: UUID | None = None) -> None:
        """Let a refusal be logged with the case asked for, or with what it was asked for `through` (H2.8, H12.1)."""
        if self.request is not None:
            self.request.state.case_id, self.request.state.event_id = case_id, through

    async def enter(
        self,
        case_id: UUID,
        *,
        for_change: bool,
        if_match: str | None = None,
        owes_action: bool = False,
        though_erased: bool = False,
    ) -> "CaseDoor":
        """Go on into one case: the one that the address names, or that of a meeting's item or of an action owed."""
        self.asks_for(case_id)
        permission = Permission(self.action)
        admitted = await access_case(
            self.session,
            case_id,
            actor=self.actor,
            permission=permission,
            for_change=for_change,
            owes_action=owes_action,
            though_erased=though_erased,
        )
        self.decided(admitted.decision.rule)
        if for_change:
            await see_whole(self.session)
        else:
            self._must_say_why(admitted.facts)
        shared = {field.name: getattr(self, field.name) for field in fields(Door)}
        shared["actor"] = admitted.person  # who waited may have lost a rank or one role of several meanwhile
        if self.request is not None:
            self.request.state.actor = admitted.person
        return CaseDoor(**shared, case=admitted.case, if_match=if_match)

    def looks_for(self, *, surname: str | None, given_names: str | None) -> None:
        """Let the log tell a search for one's own name, which it never holds, whether it finds anybody or not."""
        own = {"keys": self.actor.name_keys, "former_surnames": self.actor.former_surnames}
        if is_own_name(self.actor.name, **own, surname=surname, given_names=given_names):
            self.decided(OWN_NAME)

    def decided(self, rule: str) -> None:
        """Let the log know what decided."""
        self.rule = rule
        if self.request is not None:
            self.request.state.rule = rule

    def _must_say_why(self, facts: CaseFacts) -> None:
        if self.reason is None and needs_reason(self.actor, facts):
            known = ", ".join(AccessReason)
            raise ReasonRequired(f"This case is not yours: say why you read it, in the header Access-Reason ({known}).")


@dataclass(kw_only=True)
class CaseDoor(Door):
    """A request that is let in to one case."""

    case: Case
    if_match: str | None = None

    async def record(self, service: CaseService, given: BaseModel) -> Receipt:
        """Keep an act: a fact, whatever the rules say of it (H2.10)."""
        before = await self.answered(given)
        if before is not None and before.resource_id is not None:
            return await self._receipt(before.resource_id, opened=before.opened_id)
        made = await service(self.session, self.case, given, actor=self.actor, now=self.now)
        self.case.version += 1
        category = Category.DISCLOSURE if made.recipient else Category.ALTERATION
        category = Category.ERASURE if made.erased else category
        await self.log(
            category,
            case_id=self.case.id,
            force_id=self.case.force_id,
            recipient=made.recipient,
            event_id=made.id,
        )
        if made.opened:
            await self.log(Category.COLLECTION, case_id=made.opened, force_id=self.case.force_id)
        if made.erased:
            await self.forget()
        else:
            await self.remember(case_id=self.case.id, resource_id=made.id, opened_id=made.opened)
        return await self._receipt(made.id, opened=made.opened)

    async def record_beside(
        self,
        service: Callable[..., Awaitable[M]],
        before: Callable[[AsyncSession, UUID], Awaitable[M]],
        given: BaseModel,
    ) -> M:
        """Keep an act that leaves no trace in the case, neither event nor version: who works it is not to see it.

        `before` reads what was made under the same idempotency key.
        """
        answered = await self.answered(given)
        if answered is not None and answered.resource_id is not None:
            return await before(self.session, answered.resource_id)
        made = await service(self.session, self.case, given, actor=self.actor, now=self.now)
        await self.log(Category.ALTERATION, case_id=self.case.id, force_id=self.case.force_id, event_id=made.id)
        await self.remember(case_id=self.case.id, resource_id=made.id)
        return made

    async def decide(self, service: CaseService, given: BaseModel, *, though_late: bool = False) -> Receipt:
        """Take a decision on the version of the case that the person has read.

        A late case goes on by no decision before its interim plan is recorded (H10.6), but by one that is taken
        `though_late`: it protects at once, or asks for the plan itself.
        """
        if self.if_match is None:
            raise VersionRequired("A decision needs If-Match with the version of the case file that it was made on.")
        replay = await self._is_replay(given)
        if not replay and self.if_match.strip('W/"') != str(self.case.version):
            raise StaleVersion(
                f"The case is at version {self.case.version} now. Read it again and decide on what it says."
            )
        if not (replay or though_late):
            refuse_if(await obstacles_to_going_on(self.session, self.case, now=self.now))
        return await self.record(service, given)

    async def read(self) -> None:
        """Leave the row of a consultation and say which version was read."""
        self.response.headers["ETag"] = f'"{self.case.version}"'
        await self.log(Category.CONSULTATION, case_id=self.case.id, force_id=self.case.force_id)

    async def history(self, view: type[R], **which: UUID) -> list[R]:
        """Read every row of one kind in the case, or those about one thing, oldest first."""
        await self.read()
        return await rows_of(self.session, self.case.id, view, **which)

    async def _is_replay(self, given: BaseModel) -> bool:
        if self.idempotency_key is None:
            return False
        before = await self.session.get(AnsweredRequest, (self.actor.staff_id, self.idempotency_key))
        return before is not None and before.fingerprint == fingerprint(self.path, given)

    async def _receipt(self, made: UUID, *, opened: UUID | None = None) -> Receipt:
        flagged = await rows(self.session, _FLAGGED, case_id=self.case.id, about_id=made)
        self.response.headers["ETag"] = f'"{self.case.version}"'
        return Receipt(
            id=made,
            case_id=self.case.id,
            reference=self.case.reference,
            stage=self.case.stage,
            version=self.case.version,
            opened_case_id=opened,
            put_before_supervisor=[FlagView.model_validate(one) for one in flagged],
        )


def fingerprint(path: str, body: BaseModel) -> str:
    """SHA-256 of the request and its body in canonical JSON (RFC 8785)."""
    canonical = rfc8785.dumps([path, body.model_dump(mode="json")])
    return hashlib.sha256(canonical).hexdigest()
