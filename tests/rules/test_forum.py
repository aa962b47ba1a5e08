"""Quorum, decisions, confirmations, emergencies (H6)."""

from datetime import date
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.categorisation.terms import Category
from app.editions import DEFAULT_EDITION, edition
from app.errors import Obstacle
from app.forum.rules import (
    Proposal,
    Seat,
    Sitting,
    obstacles_to_confirming,
    obstacles_to_deciding,
    obstacles_to_emergency,
    obstacles_to_police_conclusion,
    obstacles_to_sitting,
    still_owed,
)
from app.forum.terms import ActionOutcome

EDITION = edition(DEFAULT_EDITION)
AGENCIES = ["police", "probation", "idva", "childrens_social_care"]
CHAIR, POLICE = uuid4(), uuid4()
TODAY = date(2026, 5, 20)


def codes(obstacles: list[Obstacle]) -> list[str]:
    return [obstacle.code for obstacle in obstacles]


def seats(*agencies: str, conflicted: tuple[str, ...] = ()) -> list[Seat]:
    return [Seat(uuid4(), one, present=True, conflicted=one in conflicted) for one in agencies]


def sitting(others: list[Seat], *, children: bool = False, chair: Seat | None = None) -> Sitting:
    chairing = chair or Seat(CHAIR, "other", present=True, conflicted=False)
    return Sitting(EDITION.quorum(children_affected=children), (chairing, *others), CHAIR, TODAY)


def deciding(at: Sitting, *, by: UUID = CHAIR, today: date = TODAY) -> list[str]:
    return codes(obstacles_to_sitting(at, deciding=by, today=today))


@pytest.mark.parametrize("missing", AGENCIES[:3])
def test_without_each_agency_no_decision(missing: str) -> None:
    assert deciding(sitting(seats(*AGENCIES[:3]))) == []
    assert deciding(sitting(seats(*(one for one in AGENCIES[:3] if one != missing)))) == [f"quorum_{missing}"]


def test_social_care_belongs_to_the_quorum_where_a_child_is_affected() -> None:
    assert deciding(sitting(seats(*AGENCIES[:3]), children=True)) == ["quorum_childrens_social_care"]
    assert deciding(sitting(seats(*AGENCIES), children=True)) == []


@given(st.lists(st.tuples(st.sampled_from(AGENCIES), st.booleans(), st.booleans()), max_size=12), st.booleans())
def test_a_quorum_is_those_agencies_present_and_not_conflicted(
    members: list[tuple[str, bool, bool]], children: bool
) -> None:
    there = [Seat(uuid4(), agency, present, conflicted) for agency, present, conflicted in members]
    counting = {seat.agency for seat in there if seat.present and not seat.conflicted}
    needed = AGENCIES if children else AGENCIES[:3]
    assert deciding(sitting(there, children=children)) == [f"quorum_{one}" for one in needed if one not in counting]


def test_only_the_chair_of_the_meeting_decides_unconflicted_present_and_on_the_day() -> None:
    there = seats(*AGENCIES)
    assert deciding(sitting(there), by=uuid4()) == ["not_the_chair"]
    assert deciding(sitting(there, chair=Seat(CHAIR, "other", True, True))) == ["chair_conflicted"]
    assert deciding(sitting(there, chair=Seat(CHAIR, "other", False, False))) == ["chair_not_present"]
    assert deciding(sitting(there), today=date(2026, 5, 19)) == ["meeting_not_held"]


WHOLE = {"pressing_need": "So.", "proportionate": "So.", "what": "This.", "has_recipient": True, "has_delivery": True}


def against(
    *, considered: bool = True, conclusion: bool | None = True, categorised: bool = True, **changed: object
) -> list[str]:
    """What stands against a decision that is whole but for what is changed."""
    told = {"category": Category.CONCERN, "disclose": True, **WHOLE, "subject_to_be_told": False, **changed}
    found = obstacles_to_deciding(
        Proposal(**told),  # type: ignore[arg-type]
        categorised=categorised,
        representations_considered=considered,
        police_conclude_necessary=conclusion,
    )
    return codes(found)


def test_disclosure_with_every_limb() -> None:
    assert against() == []
    assert against(subject_to_be_told=True) == []


def test_where_nothing_is_disclosed_the_subject_is_not_told() -> None:
    assert against(disclose=False) == []
    assert against(disclose=False, subject_to_be_told=True) == ["subject_not_told"]


def test_nothing_is_decided_for_somebody_whom_the_police_did_not_categorise() -> None:
    assert against(categorised=False) == against(disclose=False, categorised=False) == ["not_categorised"]


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"category": Category.NO_CONCERN}, "no_concern"),
        ({"pressing_need": None}, "no_pressing_need"),
        ({"proportionate": None}, "not_proportionate"),
        ({"what": None}, "what_not_decided"),
        ({"has_recipient": False}, "recipient_not_decided"),
        ({"has_delivery": False}, "delivery_not_decided"),
    ],
)
def test_disclosure_without_one_part(changed: dict[str, Any], code: str) -> None:
    assert against(**changed) == [code]


@pytest.mark.parametrize(
    ("conclusion", "code"), [(None, "no_police_conclusion"), (False, "police_conclude_not_necessary")]
)
def test_without_the_police_conclusion_nobody_discloses(conclusion: bool | None, code: str) -> None:
    assert against(conclusion=conclusion) == [code]


@given(st.booleans(), st.sampled_from(Category), st.sampled_from([None, True, False]), st.booleans())
def test_no_disclosure_without_representations_and_none_without_the_police(
    disclose: bool, category: Category, conclusion: bool | None, considered: bool
) -> None:
    found = against(disclose=disclose, category=category, considered=considered, conclusion=conclusion)
    allowed = considered and (not disclose or (category is Category.CONCERN and conclusion is True))
    assert (found == []) == allowed


def test_the_police_conclusion_is_a_present_unconflicted_police_members() -> None:
    def by(seat: Seat, *, of_the_force: bool = True, who: UUID = POLICE) -> list[str]:
        return codes(obstacles_to_police_conclusion(sitting([seat]), by=who, of_the_force=of_the_force))

    there = Seat(POLICE, "police", present=True, conflicted=False)
    assert by(there) == []
    refused = ["not_the_police_member"]
    assert by(there, of_the_force=False) == refused
    assert by(there, who=uuid4()) == refused
    assert by(Seat(POLICE, "police", present=False, conflicted=False)) == refused
    assert by(Seat(POLICE, "police", present=True, conflicted=True)) == refused
    assert by(Seat(POLICE, "probation", present=True, conflicted=False)) == refused


def test_the_second_person_neither_held_the_case_nor_chaired_nor_sat_and_has_no_conflict() -> None:
    holder, before, sat, conflicted = uuid4(), uuid4(), uuid4(), uuid4()

    def by(who: UUID) -> list[str]:
        found = obstacles_to_confirming(
            who, held_by={holder, before}, chair_id=CHAIR, took_part={CHAIR, sat}, conflicted={conflicted, sat}
        )
        return codes(found)

    assert by(uuid4()) == []
    assert [by(one) for one in (holder, before, CHAIR, sat)] == [["same_person"]] * 4
    assert by(conflicted) == ["confirmer_conflicted"]


def test_an_emergency_names_its_open_checks_and_needs_the_rank() -> None:
    def found(*accepted: str, rank: bool = True) -> list[str]:
        return codes(
            obstacles_to_emergency(
                rank_suffices=rank, least_rank="superintendent", open_checks=["pnd", "pnc"], accepted=accepted
            )
        )

    assert found("pnc", "pnd") == []
    assert found("pnc") == ["open_check_not_accepted"]
    assert found("pnc", "pnd", rank=False) == ["rank_too_low"]


def test_an_action_is_chased_until_it_is_done_or_circumstances_changed() -> None:
    assert still_owed([])
    assert still_owed([ActionOutcome.AGENCY_DID_NOT_DO_IT])
    assert not still_owed([ActionOutcome.AGENCY_DID_NOT_DO_IT, ActionOutcome.DONE])
    assert not still_owed([ActionOutcome.CIRCUMSTANCES_CHANGED])
