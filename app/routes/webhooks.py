"""The systems that a force has its alerts posted to. An administrator keeps them and sees no case."""

from typing import Annotated

from fastapi import APIRouter

from app.access.rules import Permission
from app.cases.service import known_id
from app.channels import webhooks
from app.channels.schemas import Posted, RotationIn, WebhookIn, WebhookMade, WebhookView
from app.doors import Door, requires
from app.evidence.terms import Category
from app.routes.errors import ERRORS, ERRORS_OF_ACT
from app.routes.reading import StrictRoute

router = APIRouter(prefix="/v1/webhooks", tags=["administration"], route_class=StrictRoute)

Administrator = Annotated[Door, requires(Permission.ADMINISTER)]


@router.get("", responses=ERRORS)
async def list_webhooks(door: Administrator) -> list[WebhookView]:
    """Where alerts of the force are posted; secrets are not among what is shown."""
    await door.log(Category.CONSULTATION)
    return await webhooks.subscriptions(door.session, actor=door.actor)


@router.post("", status_code=201, responses=ERRORS_OF_ACT)
async def subscribe(body: WebhookIn, door: Administrator) -> WebhookMade:
    """Have alerts posted to an address. The answer holds the secret that posts are signed with, this once."""
    made = await webhooks.subscribe(door.session, body, actor=door.actor, now=door.now)
    await door.log(Category.COLLECTION, event_id=made.id)
    return made


@router.post("/{webhook_id}/secret", responses=ERRORS_OF_ACT)
async def rotate_secret(webhook_id: str, body: RotationIn, door: Administrator) -> WebhookMade:
    """A new secret; for the overlap every post is signed with both."""
    known = known_id(webhook_id, webhooks.WebhookNotFound())
    await door.log(Category.ALTERATION, event_id=known)
    return await webhooks.rotate(door.session, known, body, actor=door.actor, now=door.now)


@router.post("/{webhook_id}/disable", responses=ERRORS_OF_ACT)
async def disable(webhook_id: str, door: Administrator) -> WebhookView:
    """Post nothing there any more."""
    known = known_id(webhook_id, webhooks.WebhookNotFound())
    await door.log(Category.ALTERATION, event_id=known)
    return await webhooks.disable(door.session, known, actor=door.actor, now=door.now)


@router.post("/{webhook_id}/ping", status_code=202, responses=ERRORS_OF_ACT)
async def ping(webhook_id: str, door: Administrator) -> Posted:
    """Post a message that tells of no case; it waits in the outbox like any other."""
    known = known_id(webhook_id, webhooks.WebhookNotFound())
    await door.log(Category.COLLECTION, event_id=known)
    return await webhooks.ping(door.session, known, actor=door.actor, now=door.now)
