"""Who is told of an alert, how long a message rests, what it says (H11)."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.access.rules import Role
from app.channels.rules import Colleague, Recipient, rerouted_because, wait_before, who_is_told
from app.channels.terms import ToldBecause
from app.channels.wording import CLOCK_WORDS, digest_mail, signature, state_words
from app.deadlines.digest import grouped
from app.editions.terms import AlertLevel, ClockKind, RungKind
from app.settings import Settings

_SPACE = UUID("2c1b7f0e-5a44-4a3b-9d2e-0c7f4b1d9a55")
OFFICER, SECOND, SUPERVISOR, OTHER_SUPERVISOR, HEAD, CLERK = (uuid5(_SPACE, str(n)) for n in range(6))
EVERYBODY = {
    OFFICER: Colleague(OFFICER, frozenset({Role.PUBLIC_PROTECTION_OFFICER})),
    SECOND: Colleague(SECOND, frozenset({Role.PUBLIC_PROTECTION_OFFICER})),
    SUPERVISOR: Colleague(SUPERVISOR, frozenset({Role.PUBLIC_PROTECTION_SUPERVISOR})),
    OTHER_SUPERVISOR: Colleague(OTHER_SUPERVISOR, frozenset({Role.PUBLIC_PROTECTION_SUPERVISOR})),
    HEAD: Colleague(HEAD, frozenset({Role.HEAD_OF_PUBLIC_PROTECTION})),
    CLERK: Colleague(CLERK, frozenset({Role.ADMINISTRATOR})),
}
SUPERVISORS = {SUPERVISOR, OTHER_SUPERVISOR}


def told(
    level: AlertLevel = AlertLevel.OFFICER,
    holder: UUID | None = OFFICER,
    away: dict[UUID, UUID | None] | None = None,
    without: tuple[UUID, ...] = (),
) -> list[Recipient]:
    there = {one: colleague for one, colleague in EVERYBODY.items() if one not in without}
    return who_is_told(level, holder=holder, colleagues=there, away=away or {})


def reached(recipients: list[Recipient]) -> tuple[set[UUID], ToldBecause | None]:
    return {one.staff_id for one in recipients}, rerouted_because(recipients)


def test_the_plain_course_is_the_holder_and_the_level() -> None:
    assert reached(told()) == ({OFFICER}, None)
    assert reached(told(AlertLevel.SUPERVISOR)) == (SUPERVISORS, None)
    assert reached(told(AlertLevel.HEAD_OF_PUBLIC_PROTECTION)) == ({HEAD}, None)


def test_where_the_holder_is_not_there_the_deputy_else_the_supervisors_are_told() -> None:
    assert told(away={OFFICER: SECOND}) == [Recipient(SECOND, ToldBecause.HOLDER_ABSENT, OFFICER)]
    assert reached(told(away={OFFICER: None})) == (SUPERVISORS, ToldBecause.HOLDER_ABSENT)
    assert reached(told(holder=None)) == (SUPERVISORS, ToldBecause.NOT_HELD)
    assert reached(told(without=(OFFICER,))) == (SUPERVISORS, ToldBecause.HOLDER_LEFT)
    assert reached(told(holder=CLERK)) == (SUPERVISORS, ToldBecause.HOLDER_LEFT)


def test_a_deputy_who_is_away_too_has_a_deputy_and_a_ring_of_deputies_has_none() -> None:
    assert reached(told(away={OFFICER: SECOND, SECOND: HEAD}))[0] == {HEAD}
    assert reached(told(away={OFFICER: SECOND, SECOND: OFFICER}))[0] == SUPERVISORS
    assert reached(told(away={OFFICER: CLERK}))[0] == SUPERVISORS


def test_it_climbs_to_the_head_and_down_again_and_only_then_reaches_nobody() -> None:
    gone: dict[UUID, UUID | None] = {SUPERVISOR: None, OTHER_SUPERVISOR: None}
    assert reached(told(AlertLevel.SUPERVISOR, away=gone)) == ({HEAD}, ToldBecause.LEVEL_ABSENT)
    assert reached(told(holder=None, away=gone)) == ({HEAD}, ToldBecause.NOT_HELD)
    assert reached(told(AlertLevel.HEAD_OF_PUBLIC_PROTECTION, away={HEAD: None}))[0] == SUPERVISORS
    assert reached(told(AlertLevel.SUPERVISOR, away={SUPERVISOR: SECOND}))[0] == {OTHER_SUPERVISOR, SECOND}
    assert told(AlertLevel.SUPERVISOR, away={**gone, HEAD: None}) == []


@given(
    level=st.sampled_from(AlertLevel),
    holder=st.sampled_from([None, *EVERYBODY]),
    without=st.sets(st.sampled_from(list(EVERYBODY))),
    away=st.dictionaries(st.sampled_from(list(EVERYBODY)), st.sampled_from([None, *EVERYBODY])),
)
def test_whoever_is_told_is_there_and_reads_alerts_and_is_told_once(
    level: AlertLevel, holder: UUID | None, without: set[UUID], away: dict[UUID, UUID | None]
) -> None:
    found = told(level, holder, away, tuple(without))
    ids = [one.staff_id for one in found]
    assert len(ids) == len(set(ids))
    for one in ids:
        assert one not in without and one not in away and EVERYBODY[one].reads_alerts
    upper = {SUPERVISOR, OTHER_SUPERVISOR, HEAD} - without - set(away)
    assert found or not upper


@given(tries=st.integers(2, 400), jitter=st.floats(0, 1, exclude_max=True))
def test_waits_double_up_to_the_longest_and_never_vanish(tries: int, jitter: float) -> None:
    first, longest = timedelta(seconds=30), timedelta(hours=1)
    wait = wait_before(tries, first=first, longest=longest, jitter=jitter)
    assert first / 2 <= wait <= longest
    assert wait <= wait_before(tries + 1, first=first, longest=longest, jitter=0)


@pytest.mark.parametrize(
    ("rung", "words"),
    [
        ("due_soon-12h", "due soon, 12 hours left"),
        ("due_soon-1d", "due soon, 1 working day left"),
        ("due_today", "due today"),
        ("breached", "breached"),
        ("reminder-3", "breached, reminder 3"),
        ("target_soon-2d", "target soon, 2 working days left"),
        ("target_soon-1h", "target soon, 1 hour left"),
        ("target_today", "target today"),
        ("target_missed", "target missed"),
    ],
)
def test_a_rung_in_words(rung: str, words: str) -> None:
    assert state_words(rung) == words


@pytest.mark.parametrize("kind", RungKind)
def test_a_digest_names_every_kind_of_alert(kind: RungKind) -> None:
    case = (ClockKind.FACE_TO_FACE, "DVDS-1", f"{kind}-1")
    [group] = grouped([case, case])
    assert group["references"] == ["DVDS-1"]
    subject, text = digest_mail({"groups": [group]})
    assert subject == "Alerts not acknowledged: 1 case"
    assert text == f"face-to-face meeting, {state_words(kind.state)}: 1 (DVDS-1)\n"


def test_every_clock_has_words() -> None:
    assert set(CLOCK_WORDS) == set(ClockKind)


def test_the_signature_is_the_one_that_the_documentation_shows() -> None:
    # echo -n '1780000000.{}' | openssl dgst -sha256 -mac HMAC -macopt hexkey:$(printf '00%.0s' $(seq 32))
    made = signature([bytes(32), bytes([1]) * 32], timestamp=1_780_000_000, body=b"{}")
    first, second = made.split(",")
    assert first == "v1=d21f29912afc23780d25ce3849c7085a523c6df9c1a9d8aa55384bbe8d2695b6"
    assert second != first and second.startswith("v1=")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"smtp_host": "mail.example"}, "CLARES_LAW_MAIL_FROM, CLARES_LAW_MAIL_DOMAINS"),
        ({"environment": "production", "smtp_security": "none"}, "CLARES_LAW_SMTP_SECURITY"),
        ({"delivery_tries": 0}, "delivery_tries"),
    ],
)
def test_settings_of_mail_are_whole_or_refused(given: dict[str, Any], says: str) -> None:
    whole = {"smtp_host": "mail.example", "mail_from": "a@b.example", "mail_domains": "b.example"}
    with pytest.raises(ValidationError, match=says):
        Settings(_env_file=None, **(given if "smtp_host" in given else whole | given))


def test_staff_domains_are_read_from_one_line() -> None:
    chosen = Settings(_env_file=None, mail_domains=" A.example, b.example ,")
    assert chosen.staff_domains == {"a.example", "b.example"}
