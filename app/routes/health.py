"""Whether the service lives, whether it is ready, and its counts. No case, no permission, nothing personal."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, Gauge, generate_latest
from pydantic import BaseModel

from app import clock
from app.deadlines.service import sweep_age_seconds
from app.doors import SessionDep
from app.settings import settings

router = APIRouter(tags=["health"])

SWEEP_AGE = Gauge("clares_law_sweep_age_seconds", "Seconds since any worker last swept, when readiness was last asked.")


class Health(BaseModel):
    """What works."""

    status: str
    database: str
    worker: str


async def readiness(session: SessionDep, response: Response) -> Health:
    """Ready where the database answers and some worker has swept lately."""
    age = await sweep_age_seconds(session, now=clock.real_now())
    SWEEP_AGE.set(float("inf") if age is None else age)
    silent = age is None or age > settings().heartbeat_stale_seconds
    if silent:
        response.status_code = 503
    return Health(
        status="not ready" if silent else "ready",
        database="answers",
        worker="silent" if silent else "sweeping",
    )


@router.get("/health/live")
async def live() -> dict[str, str]:
    """The process answers."""
    return {"status": "live"}


@router.get("/health/ready", responses={503: {"model": Health}})
async def ready(health: Annotated[Health, Depends(readiness)]) -> Health:
    """The database answers and a worker sweeps; 503 where not: a silent worker is itself an alarm."""
    return health


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics() -> Response:
    """Counts for Prometheus."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
