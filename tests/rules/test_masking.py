"""What of a view is kept from a reader (H2.7)."""

from datetime import UTC, datetime
from itertools import combinations
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.access.masking import masked
from app.access.rules import VIEW_PERMISSIONS, Permission
from app.casefile.schemas import EventView, PartiesView
from app.cases.schemas import PartyView
from app.cases.tables import PartyRole
from app.people.schemas import AddressView, PersonView, SafeContactView
from app.people.tables import Gender
from app.routes.paging import Page, page

P = Permission
ONE = UUID(int=1)


def party(role: PartyRole, *, asks: bool = False, empty: bool = False) -> PartyView:
    person = PersonView(
        id=ONE,
        given_names="Joanna",
        surname="Tarrant",
        born=None,
        born_estimated=False,
        gender=Gender.FEMALE,
        ethnicity=None,
        pnc_id=None if empty else "2002/0073319Z",
        telephone=None if empty else "0700",
        email=None if empty else "j@example",
        language=None,
        interpreter_needed=False,
        access_needs=None,
        addresses=[] if empty else [AddressView(address="4 Quarry Lane", lived_from=None, lived_to=None)],
        safe_contact=None if empty else SafeContactView(place="Work", means="Voice", times="Noon", approach_plan=None),
    )
    shared = dict.fromkeys(("relationship", "relationship_ended", "connection", "police_employment"))
    return PartyView(id=ONE, role=role, is_applicant=asks, person=person, **shared)


def parties(*, asked: bool = True, empty: bool = False) -> PartiesView:
    return PartiesView(
        subject=party(PartyRole.SUBJECT, empty=empty),
        potential_victims=[party(PartyRole.POTENTIAL_VICTIM, asks=not asked, empty=empty)],
        applicant=party(PartyRole.APPLICANT, asks=True) if asked else None,
        other_applicants=[party(PartyRole.APPLICANT)] if asked else [],
        children=[],
    )


def test_who_sees_everything_gets_the_view_itself() -> None:
    whole = parties()
    assert masked(whole, VIEW_PERMISSIONS) is whole


@pytest.mark.parametrize("sees", [set(some) for n in range(4) for some in combinations(VIEW_PERMISSIONS, n)])
def test_each_side_is_blank_exactly_where_its_permission_is_missing(sees: set[Permission]) -> None:
    whole = parties()
    shown = masked(whole, sees)
    [victim], subject = shown.potential_victims, shown.subject
    assert subject is not None
    assert (shown.applicant is not None) is bool(shown.other_applicants) is (P.SEE_APPLICANT in sees)
    assert (victim.is_applicant is not None) is (P.SEE_APPLICANT in sees)
    for value in (
        victim.person.telephone,
        victim.person.email,
        victim.person.safe_contact,
        subject.person.safe_contact,
    ):
        assert (value is not None) is (P.SEE_CONTACT in sees)
    assert bool(victim.person.addresses) is (P.SEE_CONTACT in sees)
    for value in (subject.person.telephone, subject.person.pnc_id, victim.person.pnc_id):
        assert (value is not None) is (P.SEE_SUBJECT_RECORD in sees)
    assert bool(subject.person.addresses) is (P.SEE_SUBJECT_RECORD in sees)
    assert subject.person.surname == victim.person.surname == "Tarrant"
    assert whole == parties(), "the view itself stays as it is"


@pytest.mark.parametrize("sees", [set(), {P.SEE_ROUTE}, {P.SEE_CONTACT}])
def test_an_answer_does_not_tell_whether_there_was_something_to_keep(sees: set[Permission]) -> None:
    there, not_there = masked(parties(), sees), masked(parties(asked=False, empty=P.SEE_CONTACT not in sees), sees)
    assert there.withheld == not_there.withheld != []
    assert "applicant" in there.withheld
    assert (there.applicant, there.other_applicants) == (not_there.applicant, not_there.other_applicants) == (None, [])


@pytest.mark.parametrize(
    ("sentence", "kept"),
    [
        ("Tried to reach the applicant: no answer.", True),
        ("Tried to reach the potential victim: no answer.", True),
        ("A further applicant was added.", True),
        ("A further child was added.", True),
        ("The third-party applicant was given the neutral words.", True),
        ("What is known of the subject was amended.", True),
        ("Safety plan recorded.", False),
    ],
)
def test_a_sentence_that_may_name_the_applicants_part_is_kept_whatever_part_it_names(sentence: str, kept: bool) -> None:
    now = datetime(2026, 5, 5, 9, tzinfo=UTC)
    event = EventView(
        position=1,
        id=ONE,
        occurred_at=now,
        recorded_at=now,
        recorded_by="Staff",
        kind="act",
        sentence=sentence,
        about_id=None,
    )
    assert masked(event, VIEW_PERMISSIONS).sentence == sentence
    assert (masked(event, {P.SEE_ROUTE}).sentence is None) is kept
    assert masked(event, {P.SEE_ROUTE}).withheld == ["sentence"] * kept


_SENTENCES = st.sampled_from(["The applicant was called.", "A check was made.", "Somebody else asks the same."])
_EVENTS = st.builds(
    EventView,
    position=st.just(1),
    id=st.just(ONE),
    occurred_at=st.just(datetime(2026, 5, 1, tzinfo=UTC)),
    recorded_at=st.just(datetime(2026, 5, 1, tzinfo=UTC)),
    recorded_by=st.just("Somebody"),
    kind=st.just("note"),
    sentence=_SENTENCES,
    about_id=st.none(),
)
_HELD = st.one_of(_EVENTS, st.booleans().map(lambda asked: parties(asked=asked)))


@given(items=st.lists(_HELD, max_size=5), sees=st.sets(st.sampled_from(sorted(VIEW_PERMISSIONS))))
def test_a_page_is_masked_as_its_items_are_whatever_class_of_page_it_is(
    items: list[Any], sees: set[Permission]
) -> None:
    wanted = masked(items, sees)
    for whole in (page(items, 10, str), Page(items=items, next_cursor=None), Page[Any](items=items, next_cursor=None)):
        assert masked(whole, sees).items == wanted
    assert masked({"found": items}, sees) == {"found": wanted}
    assert masked(Page(items=[page(items, 10, str)], next_cursor=None), sees).items[0].items == wanted
