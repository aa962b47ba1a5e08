"""Whether the service lives, whether it is ready, and its counts. No case, no permission, nothing personal."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel

from app import clock
from app.deadlines.watch import Watched, watched
from app.doors import SessionDep
from app.evidence.checkpoints import is_behind, is_unqueued, trouble
from app.evidence.sequencer import DISAGREEMENTS
from app.routes.metrics import exposition
from app.settings import settings

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """What works."""

    status: str
    database: str
    worker: str
    evidence: str
    keys: str


async def _watched(session: SessionDep) -> Watched:
    stale = settings().heartbeat_stale_seconds
    return await watched(session, now=clock.now(), real_now=clock.real_now(), stale_seconds=stale)


async def readiness(session: SessionDep, found: Annotated[Watched, Depends(_watched)], response: Response) -> Health:
    """Ready where the database answers, some worker has swept lately, and the witness saw this database, and of late.

    And where the database queues every record to be numbered. Trouble that passes by itself is told at once and turns
    red when records have waited too long for it. The key of a case that is gone or changed, or a record that no leaf
    can tell, is told and turns nothing red: every other one goes on being recorded (H2.10).
    """
    wrong = await trouble(session)
    behind = await is_behind(session, real_now=clock.real_now())
    unqueued = await is_unqueued(session)
    not_ready = found.is_silent or behind or unqueued or wrong in DISAGREEMENTS
    if not_ready:
        response.status_code = 503
    return Health(
        status="not ready" if not_ready else "ready",
        database="answers",
        worker="silent" if found.is_silent else "sweeping",
        evidence=wrong or ("unqueued" if unqueued else "behind" if behind else "agrees"),
        keys="not counted" if found.unusable_keys is None else "unusable" if found.unusable_keys else "held",
    )


@router.get("/health/live")
async def live() -> dict[str, str]:
    """The process answers."""
    return {"status": "live"}


@router.get("/health/ready", responses={503: {"model": Health}})
async def ready(health: Annotated[Health, Depends(readiness)]) -> Health:
    """The database answers, a worker sweeps, the witness agrees and is not long waited for; 503 where not.

    A silent worker is itself an alarm.
    """
    return health


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(found: Annotated[Watched, Depends(_watched)]) -> Response:
    """Counts for Prometheus: clocks by step, workers, age and lag of the sweep."""
    return Response(exposition(found), media_type=CONTENT_TYPE_LATEST)
