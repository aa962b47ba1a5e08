"""Who may answer a duty, and which action makes whom safe (H2)."""

from uuid import uuid4

import pytest

from app.access.rules import Permission, roles_that_may
from app.editions import edition
from app.safeguarding.rules import least_rank_to_answer, makes_safe, who_may_answer

SCHEME = edition("statutory-2023")
_ONE, _OTHER, _SUBJECT = uuid4(), uuid4(), uuid4()


@pytest.mark.parametrize("kind", ["supervisor_review", "police_involvement", "crime", "offender_management"])
def test_a_supervisors_duties_are_for_whoever_supervises(kind: str) -> None:
    assert who_may_answer(kind) == tuple(roles_that_may(Permission.SUPERVISE))


@pytest.mark.parametrize("kind", ["childrens_social_care", "support_by_word", "emergency_review"])
def test_other_duties_are_for_whoever_safeguards(kind: str) -> None:
    assert who_may_answer(kind) == ()


def test_the_rank_is_the_editions() -> None:
    assert least_rank_to_answer("police_involvement", SCHEME) == SCHEME.ranks.police_involvement_supervisor
    lower = SCHEME.model_copy(
        update={"ranks": SCHEME.ranks.model_copy(update={"police_involvement_supervisor": "sergeant"})}
    )
    assert least_rank_to_answer("police_involvement", lower) == "sergeant"
    assert least_rank_to_answer("crime", SCHEME) is None


@pytest.mark.parametrize(
    ("done_for", "endangered", "safe"),
    [
        ("one", "one", True),
        ("other", "one", False),
        ("subject", "one", True),
        (None, "one", True),
        ("other", None, True),
        (None, None, True),
    ],
)
def test_an_action_for_another_potential_victim_makes_nobody_else_safe(
    done_for: str | None, endangered: str | None, safe: bool
) -> None:
    people = {"one": _ONE, "other": _OTHER, "subject": _SUBJECT, None: None}
    found = makes_safe(people[done_for], endangered=people[endangered], potential_victims=[_ONE, _OTHER])
    assert found is safe
