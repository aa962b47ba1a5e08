"""What a meeting must hold (H5.1)."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from app.editions import edition
from app.editions.terms import Route
from app.face_to_face.rules import (
    Meeting,
    MeetingFacts,
    irregularities,
    missing_for_meeting,
    obstacles_to_malicious_finding,
)
from app.face_to_face.terms import Pack
from app.process import Stage

SCHEME = edition("statutory-2023")


def found(
    *, stage: Stage = Stage.FACE_TO_FACE, route: Route = Route.RIGHT_TO_ASK, held_before: bool = False, **changed: Any
) -> list[tuple[str, str]]:
    meeting = replace(Meeting(), **changed)
    wrong = irregularities(meeting, stage=stage, route=route, held_before=held_before, edition=SCHEME)
    return [(one.code, one.rule) for one in wrong]


def test_a_whole_meeting_is_regular() -> None:
    assert found() == []
    assert found(pack=Pack.KEPT_BY_POLICE, pack_details_by_word=True) == []
    assert found(public_protection=False, public_protection_reason=True) == []


@pytest.mark.parametrize(
    ("changed", "code", "rule"),
    [
        ({"warnings_given": False}, "warnings_not_given", "H5.1"),
        ({"identity_verified": False}, "identity_not_verified", "H5.1"),
        ({"undertaking_explained": False}, "undertaking_not_explained", "H5.1"),
        ({"advice_given": False}, "no_safeguarding_advice", "H5.1"),
        ({"public_protection": False}, "no_public_protection_officer", "H5.1"),
        ({"pack": None}, "pack_not_offered", "H2.2"),
        ({"pack": Pack.KEPT_BY_POLICE}, "pack_details_not_given", "H2.2"),
        ({"written_material_left": True}, "written_material_left", "H2.2"),
        ({"age": 17}, "no_suitable_adult", "H2.9"),
        ({"with_applicant": False}, "not_the_applicant", "H5.1"),
        ({"stage": Stage.INITIAL_CHECKS}, "met_before_initial_decision", "H5.1"),
        ({"route": Route.RIGHT_TO_KNOW}, "meeting_on_right_to_know", "H5.1"),
        ({"held_before": True}, "met_before", "H5.1"),
    ],
)
def test_what_was_left_undone_or_out_of_order_is_said(changed: dict[str, Any], code: str, rule: str) -> None:
    assert found(**changed) == [(code, rule)]


def test_the_age_for_a_suitable_adult_is_the_editions() -> None:
    assert found(age=SCHEME.ages.suitable_adult_under) == []
    assert found(age=SCHEME.ages.suitable_adult_under - 1, suitable_adult=True) == []
    assert found(age=None) == []


def test_only_a_right_to_ask_misses_its_meeting() -> None:
    assert [one.code for one in missing_for_meeting(MeetingFacts(Route.RIGHT_TO_ASK))] == ["meeting_not_held"]
    held = MeetingFacts(Route.RIGHT_TO_ASK, completed_at=datetime(2026, 5, 6, tzinfo=UTC))
    assert missing_for_meeting(held) == missing_for_meeting(MeetingFacts(Route.RIGHT_TO_KNOW)) == []


def test_a_right_to_know_has_no_request_to_be_malicious() -> None:
    assert obstacles_to_malicious_finding(Route.RIGHT_TO_ASK) == []
    assert [one.code for one in obstacles_to_malicious_finding(Route.RIGHT_TO_KNOW)] == ["no_request"]
