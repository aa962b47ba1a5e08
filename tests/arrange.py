"""Putting a case where a test needs it, past the doors: only for tests of one stage, never in a journey."""

from uuid import UUID

from app.process import Stage
from tests.world import World


def place_at(world: World, case_id: str | UUID, stage: Stage) -> None:
    """Set the stage of a case as if it had come there."""
    outcome = "'disclosed'" if stage in (Stage.FINAL_REPORT, Stage.CLOSED) else "NULL"
    closed = "first_contact_at" if stage is Stage.CLOSED else "NULL"
    world.execute(
        f"UPDATE application SET stage = '{stage.value}', outcome = {outcome}, closed_at = {closed} WHERE id = %s",
        str(case_id),
    )


def version_of(world: World, case_id: str | UUID) -> dict[str, str]:
    """If-Match for a decision on the case as it stands."""
    found = world.rows("SELECT version FROM application WHERE id = %s", str(case_id))
    return {"If-Match": f'"{found[0]["version"]}"'}
