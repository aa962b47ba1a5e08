"""A case before it is opened."""

from datetime import datetime
from uuid import UUID

from app.cases.service import new_reference
from app.cases.tables import Case
from app.editions import edition
from app.editions.terms import Route


def blank_case(route: Route, edition_name: str, *, force_id: str, by: UUID, now: datetime) -> Case:
    """A case that has not been opened yet."""
    return Case(
        force_id=force_id,
        reference=new_reference(),
        route=route,
        edition=edition_name,
        edition_version=edition(edition_name).content_version,
        created_at=now,
        created_by=by,
    )
