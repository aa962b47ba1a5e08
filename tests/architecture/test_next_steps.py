"""What the case file offers is what a door takes: each step's path is a route, and names that route's permission."""

import pytest

from app.access.rules import Permission
from app.casefile import rules
from app.casefile.rules import Step
from app.main import doors
from tests.architecture.test_doors import permission_of

STEPS = [step for step in vars(rules).values() if isinstance(step, Step)]
POSTED: dict[str, Permission | None] = {
    route.path: permission_of(route) for route in doors() if "POST" in (route.methods or ())
}


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.action)
def test_a_step_names_a_route_and_its_permission(step: Step) -> None:
    path = step.path if step.path.startswith("/") else f"/v1/applications/{{case_id}}/{step.path}"
    assert path in POSTED
    assert POSTED[path] is step.permission


def test_every_step_is_told_once() -> None:
    assert len(STEPS) > 20
    assert len({step.action for step in STEPS}) == len(STEPS)
