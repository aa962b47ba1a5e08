"""The editions of the guidance: their limits, systems to check, relationships, agencies and words, with their codes."""

from typing import Annotated

from fastapi import APIRouter

from app.access.rules import Permission
from app.doors import Door, requires
from app.editions import all_editions, edition
from app.editions.rules import Edition
from app.routes.errors import ERRORS
from app.routes.reading import StrictRoute

router = APIRouter(prefix="/v1/editions", tags=["editions"], route_class=StrictRoute)

Anybody = Annotated[Door, requires(Permission.READ_EDITIONS)]


@router.get("", responses=ERRORS)
async def list_editions(door: Anybody) -> list[str]:
    """The names of the editions."""
    return list(all_editions())


@router.get("/{name}", responses=ERRORS)
async def read_edition(name: str, door: Anybody) -> Edition:
    """One edition whole: what a client offers for choice, and what each limit rests on."""
    return edition(name)
