"""The names of what an answer shows, as the log keeps them (H12.1)."""

from app.casefile.schemas import CaseFile
from app.casefile.worklist import SearchHit
from app.evidence.fields import fields_of
from app.intake.schemas import ApplicationOpened, InformationReceived
from app.main import doors
from app.routes.paging import Page

PERSON = {"person.given_names", "person.surname", "person.born", "person.telephone", "person.safe_contact"}


def test_a_person_is_named_by_dotted_names_once_however_many_are_shown() -> None:
    names = fields_of(CaseFile)
    assert {*PERSON, "reference", "parties.subject", "parties.applicant", "party.role"} <= set(names)
    assert len(names) == len(set(names))


def test_what_is_withheld_is_not_named_nor_anything_within_it() -> None:
    names = fields_of(CaseFile, frozenset({"applicant", "safe_contact", "parties.children"}))
    assert not {"parties.applicant", "person.safe_contact", "parties.children"} & set(names)
    assert {"parties.subject", "person.surname"} <= set(names)


def test_a_list_a_page_and_a_union_are_what_they_hold() -> None:
    assert fields_of(list[SearchHit]) == fields_of(Page[SearchHit]) == fields_of(SearchHit)
    assert set(fields_of(ApplicationOpened | InformationReceived)) == {
        *fields_of(ApplicationOpened),
        *fields_of(InformationReceived),
    }
    assert fields_of(None) == fields_of(str) == ()


def test_every_answer_of_the_service_has_names_that_are_plain() -> None:
    answered = {route.path: fields_of(route.response_model) for route in doors() if route.path.startswith("/v1/")}
    nameless = {path for path, names in answered.items() if not names}
    assert nameless == {
        *("/v1/alerts/stream", "/v1/calendar-feeds/{token}.ics", "/v1/editions"),
        *("/v1/session", "/v1/sign-in", "/v1/sign-in/callback"),
    }
    for path, names in answered.items():
        assert all(part.isidentifier() for name in names for part in name.split(".")), path
        assert len(names) < 120, path
