"""What in the log is worth a look: surnames, hours over midnight and clock changes, counts within a time."""

from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.access.addresses import address_form, address_key
from app.access.names import account_keys, is_own_name, surnames_of
from app.access.rules import Role
from app.deadlines.feed import FETCHED
from app.misuse.rules import (
    Account,
    Bulk,
    CaseTouched,
    Individual,
    OffShift,
    OutOfForce,
    Shift,
    Touched,
    findings,
    is_bulk,
    is_off_shift,
    out_of_force,
    resemblance,
)
from app.misuse.terms import Misuse
from app.misuse.thresholds import thresholds
from app.people.rules import Described

MONDAY = datetime(2026, 5, 4, 11, 0, tzinfo=UTC)  # noon in London
NO_GRACE = OffShift(grace=0)
WORD = st.from_regex(r"[A-Z][a-z]{1,9}", fullmatch=True)


def account(name: str = "PC Anna Smith Jones", **more: object) -> Account:
    known = {"roles": frozenset({Role.PUBLIC_PROTECTION_OFFICER}), "force_id": "northmoor", **more}
    return Account(uuid4(), keys=account_keys(name), surnames=surnames_of(name), **known)  # type: ignore[arg-type]


def person(surname: str, given: str = "", born: date | None = None, *, houses: tuple[str, ...] = ()) -> Individual:
    described = Described(None, (surname,), (given,) if given else (), born)
    return Individual(uuid4(), uuid4(), described, frozenset(houses))


def touched(
    at: datetime = MONDAY, *people: Individual, case: CaseTouched | None = None, action: str = "read_case"
) -> Touched:
    return Touched(uuid4(), at, action, case, people)


@given(first=WORD, last=st.lists(WORD, min_size=1, max_size=3))
def test_a_surname_is_what_a_name_ends_in_and_never_the_whole_of_it(first: str, last: list[str]) -> None:
    found = surnames_of(" ".join([first, *last]))
    assert last[-1].casefold() in found
    assert "".join(last).casefold() in found
    assert "".join([first, *last]).casefold() not in found or len({first, *last}) < len([first, *last])
    assert surnames_of(first) == frozenset()


@pytest.mark.parametrize(
    ("name", "surnames"),
    [
        ("Inventon, Nell", {"inventon"}),
        ("Smith Jones, Anna", {"smithjones", "jones"}),
        ("INVENTON, PC Nell", {"inventon", "nell"}),
        ("PC 4411, Nell Inventon", {"inventon", "pc4411", "4411"}),
        (", Nell Inventon", {"inventon"}),
    ],
)
def test_what_stands_before_a_comma_is_a_surname(name: str, surnames: set[str]) -> None:
    assert surnames_of(name) == surnames


def test_a_name_is_compared_alike_however_a_directory_turns_it() -> None:
    assert set(account_keys("Anna Smith Jones")) <= set(account_keys("Smith Jones, Anna"))
    assert resemblance(account("Smith Jones, Anna"), person("Smith-Jones", "Peter")) is Misuse.SAME_SURNAME


@pytest.mark.parametrize(
    ("account_name", "surname", "given_names", "own"),
    [
        ("PC Nell Inventon", "Inventon", None, True),
        ("PC Nell Inventon", "INVENTON", "Nell", True),
        ("PC Nell Inventon", "Inventon", "Nel", True),
        ("PC Nell Inventon", "Inventon", "n.", True),
        ("PC Nell Inventon", "Inventon", "Otto", False),
        ("PC Nell Inventon", "Inventon", "Nella", False),
        ("PC Nell Inventon", "Nell", None, False),
        ("PC Anne Marie Inventon", "Inventon", "Annem", True),
        ("PC Anne Marie Inventon", "Inventon", "An Mar", True),
        ("DC Annemarie Inventon", "Inventon", "Anne", True),
        ("Inventon, Nell", "Inventon", "Nell", True),
        ("Inventon, Nell", "Nell", None, False),
        ("PC N Inventon", "Inventon", "Nell", True),
        ("PC Nell Inventon", "Former", "Nell", True),
        ("PC Nell Inventon", "Former", "Nora", True),
        ("PC Nell Inventon", "Former", "Otto", False),
        ("PC Nell Inventon", None, "Nell", False),
    ],
)
def test_a_search_for_ones_own_name_is_one_for_a_part_of_it_or_for_a_former_one(
    account_name: str, surname: str | None, given_names: str | None, own: bool
) -> None:
    former = {"keys": account_keys("Nora Former"), "former_surnames": ["former"]}
    assert is_own_name(account_name, **former, surname=surname, given_names=given_names) is own


def test_the_gravest_likeness_is_the_one_that_is_told() -> None:
    born = date(1984, 2, 11)
    herself = account(born=born, address_key="here")
    assert resemblance(herself, person("Jones", "Anna", born, houses=("here",))) is Misuse.OWN_RECORD
    assert resemblance(herself, person("Jones", "Peter", houses=("here",))) is Misuse.SAME_ADDRESS
    assert resemblance(herself, person("Smith-Jones", "Peter")) is Misuse.SAME_SURNAME
    assert resemblance(herself, person("Anna", "Peter")) is None  # her given name is nobody's surname
    assert resemblance(account(address_key=None), person("Other", houses=("here",))) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("4 Quarry Lane, Northmoor", "4, QUARRY LANE Northmoor"),
        ("Flat 2, 4 Quarry Lane, Northmoor NM1 2AB", "flat 2 4 Quarry La. nm12ab"),
        ("Rose Cottage, Mill Road, NM1 2AB", "rose cottage, NM1 2AB"),
    ],
)
def test_an_address_is_known_in_the_ways_it_is_written(one: str, other: str) -> None:
    assert address_form(one) == address_form(other)
    assert address_key(one, b"a") == address_key(other, b"a")
    assert address_key(one, b"a") != address_key(one, b"b")


@pytest.mark.parametrize("other", ["5 Quarry Lane, Northmoor NM1 2AB", "4 Quarry Lane, Northmoor NM1 2AC", "Quarry"])
def test_another_house_is_another(other: str) -> None:
    assert address_form(other) != address_form("4 Quarry Lane, Northmoor NM1 2AB")


@given(
    weekday=st.integers(0, 6),
    begins=st.integers(0, 23),
    hours=st.integers(1, 23),
    minutes=st.integers(0, 7 * 24 * 60 - 1),
)
def test_a_week_of_one_shift_is_worked_as_long_as_the_shift(
    weekday: int, begins: int, hours: int, minutes: int
) -> None:
    """In weeks without a change of the clocks, a moment is worked when it is less than `hours` after the beginning."""
    shift = Shift(weekday, time(begins), time((begins + hours) % 24))
    at = datetime(2026, 5, 4, tzinfo=UTC) - timedelta(hours=1) + timedelta(minutes=minutes)  # London midnight, Monday
    since = (minutes - (weekday * 24 + begins) * 60) % (7 * 24 * 60)
    assert is_off_shift(account(shifts=[shift]), at, NO_GRACE) is (since >= hours * 60)


def test_hours_are_those_of_the_clock_on_the_wall_when_it_is_put_back() -> None:
    night = Shift(5, time(22), time(6))  # Saturday night; on 25 October 2026 the clocks go back at two
    off = [
        is_off_shift(account(shifts=[night]), datetime(2026, 10, 25, hour, 30, tzinfo=UTC), NO_GRACE)
        for hour in (1, 5, 6)
    ]
    assert off == [False, False, True]


@given(st.integers(-300, 300))
def test_an_absence_is_off_shift_from_its_first_moment_up_to_its_last(minutes: int) -> None:
    away = (MONDAY - timedelta(hours=1), MONDAY + timedelta(hours=1))
    off = is_off_shift(account(absences=[away]), MONDAY + timedelta(minutes=minutes), NO_GRACE)
    assert off is (-60 <= minutes < 60)


def test_grace_belongs_to_the_shift_and_who_has_no_hours_is_never_off() -> None:
    early = Shift(0, time(13), time(15))
    assert is_off_shift(account(shifts=[early]), MONDAY, NO_GRACE)
    assert not is_off_shift(account(shifts=[early]), MONDAY, OffShift(grace=60))
    assert not is_off_shift(account(), MONDAY, NO_GRACE)


@given(st.lists(st.tuples(st.integers(0, 180), st.integers(0, 9)), min_size=1, max_size=30), st.integers(1, 10))
def test_bulk_is_so_many_different_ones_within_the_time(seen: list[tuple[int, int]], limit: int) -> None:
    ids = [UUID(int=number) for number in range(10)]
    rows = [
        touched(MONDAY + timedelta(minutes=at), case=CaseTouched(ids[one], "northmoor")) for at, one in sorted(seen)
    ]
    last = max(at for at, _ in seen)
    expected = len({one for at, one in seen if at > last - 60}) >= limit
    assert is_bulk(rows, Bulk(minutes=60, cases=limit, individuals=1000, listed=1000)) is expected


def test_another_forces_case_is_looked_at_unless_it_is_the_work_and_not_too_much_of_it() -> None:
    limits = OutOfForce(routine=frozenset({"retrieve_final_reports"}), minutes=60, cases=2, listed=2)
    theirs = [touched(case=CaseTouched(uuid4(), "southvale"), action="retrieve_final_reports") for _ in range(2)]
    assert not out_of_force(account(), theirs[0], theirs[:1], limits)
    assert out_of_force(account(), theirs[1], theirs, limits)
    glass = touched(case=CaseTouched(uuid4(), "southvale"), action="read_case")
    assert out_of_force(account(), glass, [glass], limits)
    assert not out_of_force(account(force_id=None), glass, [glass], limits)
    own = touched(case=CaseTouched(uuid4(), "northmoor"))
    assert not out_of_force(account(), own, [own], limits)


def test_cases_of_the_persons_that_a_search_found_are_looked_at_like_the_case_itself() -> None:
    theirs = CaseTouched(uuid4(), "southvale", marks=[(MONDAY, None)])
    ours = CaseTouched(uuid4(), "northmoor", marks=[(MONDAY, None)])
    found = Touched(uuid4(), MONDAY, "search_cases", None, (), (), (theirs, ours))
    listed = Touched(uuid4(), MONDAY, "list_cases", None, (), (theirs, ours))

    def kinds(row: Touched, who: Account) -> list[tuple[Misuse, str]]:
        return [(one.kind, one.about) for one in findings(who, [row], new={row.log_id}, thresholds=thresholds())]

    of_note = [(Misuse.CASE_OF_NOTE, str(theirs.case_id)), (Misuse.CASE_OF_NOTE, str(ours.case_id))]
    assert kinds(found, account()) == [(Misuse.OUT_OF_FORCE, str(theirs.case_id)), *of_note]
    assert kinds(listed, account()) == of_note, "lists name another force's case only by its leave, up to a number"
    assert kinds(found, account(roles=frozenset({Role.AUDITOR}))) == [(Misuse.OUT_OF_FORCE, str(theirs.case_id))]


def test_a_list_that_is_read_off_shift_is_off_shift_like_any_touch() -> None:
    late = Shift(0, time(14), time(17))
    listed = Touched(uuid4(), MONDAY, "list_cases", listed=[CaseTouched(uuid4(), "northmoor")])
    nothing = Touched(uuid4(), MONDAY, "read_tasks")
    feed = Touched(uuid4(), MONDAY, FETCHED, listed=listed.listed)
    rows = [nothing, listed, feed]
    who = account(shifts=[late])
    found = findings(who, rows, new={one.log_id for one in rows}, thresholds=thresholds())
    assert [(one.kind, one.log_id) for one in found if one.kind is Misuse.OFF_SHIFT] == [
        (Misuse.OFF_SHIFT, listed.log_id)
    ]


def test_only_new_rows_are_judged_and_only_what_is_watched_for() -> None:
    rows = [touched(MONDAY, person("Jones")), touched(MONDAY, person("Jones"))]
    found = list(findings(account(), rows, new={rows[1].log_id}, thresholds=thresholds()))
    assert [(one.kind, one.log_id) for one in found] == [(Misuse.SAME_SURNAME, rows[1].log_id)]
    nothing = thresholds().model_copy(update={"watched": frozenset()})
    assert list(findings(account(), rows, new={rows[1].log_id}, thresholds=nothing)) == []


def test_a_mark_counts_while_it_stands_and_not_for_who_holds_the_case_or_looks_after_it() -> None:
    marked = CaseTouched(uuid4(), "northmoor", marks=[(MONDAY, MONDAY + timedelta(hours=1))])

    def kinds(who: Account, at: datetime, held_by: UUID | None = None) -> list[Misuse]:
        case = CaseTouched(marked.case_id, "northmoor", held_by, marked.marks)
        row = touched(at, case=case)
        return [one.kind for one in findings(who, [row], new={row.log_id}, thresholds=thresholds())]

    officer = account()
    assert kinds(officer, MONDAY) == [Misuse.CASE_OF_NOTE]
    assert kinds(officer, MONDAY - timedelta(seconds=1)) == kinds(officer, MONDAY + timedelta(hours=1)) == []
    assert kinds(officer, MONDAY, officer.staff_id) == []
    assert kinds(account(roles=frozenset({Role.PROFESSIONAL_STANDARDS})), MONDAY) == []
