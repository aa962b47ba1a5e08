"""An edition that is unknown, misspelt or at odds with itself is refused, with the file and the line at fault (H9)."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import app.editions
from app.editions import (
    EditionInvalid,
    EditionNotAsUsed,
    EditionsMissing,
    all_editions,
    edition,
    parse,
    require_as_used,
)
from tests.editions import further_editions

TEXT = (Path(app.editions.__file__).parent / "statutory-2023.toml").read_text(encoding="utf-8")
LIMIT = TEXT[TEXT.index("[[limits]]") : TEXT.index("[[limits]]", TEXT.index("[[limits]]") + 1)]
FOR_VICTIMS = LIMIT.replace("hours", 'applies_to = "applicant_is_potential_victim"\nhours')
ASSESSMENT = 'applies_to = "applicant_is_potential_victim"'


def broken(old: str, new: str) -> str:
    assert old in TEXT
    return TEXT.replace(old, new, 1)


def refusal(text: str, file: str = "statutory-2023.toml") -> str:
    with pytest.raises(EditionInvalid) as refused:
        parse(text, file=file)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def faults(text: str) -> list[tuple[str, str]]:
    """Each fault: the line that it points at, as it stands in the text, and what it says of it."""
    lines = text.split("\n")
    found = re.split(r"(?:^|; )statutory-2023\.toml:(\d+): ", refusal(text))[1:]
    return [(lines[int(number) - 1], says) for number, says in zip(found[::2], found[1::2], strict=True)]


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        # misspelt, of the wrong type, out of range
        ("\nhours = 24\n", "\nhours = 24\nminute = 1\n", "minute = 1", "limits.0.minute: Extra inputs"),
        ("\nhours = 24\n", '\nhours = "many"\n', 'hours = "many"', "limits.0.hours: Input should be a valid integer"),
        ("\nhours = 24\n", "\nhours = 0\n", "hours = 0", "limits.0.hours: Input should be greater than 0"),
        ("\nversion = 1\n", "\nversion = 0\n", "version = 0", "version: Input should be greater than 0"),
        ("\nversion = 1\n", "\n", "# The default.", "version: Field required"),
        ("\nversion = 1\n", '\nversion = 1\ndigest = "ab"\n', 'digest = "ab"', "digest: it is worked out"),
        ('clock = "initial_checks"', 'clock = "tea"', 'clock = "tea"', "limits.0.clock: Input should be 'initial_che"),
        ('mark = "assumed"', 'mark = "certain"', 'mark = "certain"', "limits.0.mark: Input should be 'read', 'sec"),
        ('mark = "assumed"\n', "", "[[limits]]", "limits.0.mark: Field required"),
        ('searched = ["subject"]', "searched = []", "searched = []", "checks.0.searched: Tuple should have at least"),
        ('["subject", "child"]', '["subject", "cat"]', 'searched = ["subject", "cat"]', "checks.6.searched.1: Input"),
        ("{ from_day = 1,", "{ from_day = true,", "    { from_day = true,", "alerts.reminders.0.from_day: Input"),
        ('code = "partner", title', 'code = "partner", name', '    { code = "partner"', "relationships.eligible.4."),
        ("malicious = [", "mischievous = [", "mischievous = [", "closing_duties.mischievous"),
        ('    "services_given",\n', '    "tea",\n', '    "tea",', "closing_duties.not_progressed.0: Input"),
        ("neutral = ", "neutrality = ", "neutrality = ", "forms_of_words.neutrality"),
        ('name = "statutory-2023"', 'name = "statutory-2024"', 'name = "statutory-2024"', "name: statutory-2024 is"),
        # a limit
        ("\nhours = 24\n", "\n", "[[limits]]", "limits.0: give exactly one of hours"),
        ("\nhours = 24\n", "\nhours = 24\nworking_days = 1\n", "working_days = 1", "limits.0.working_days: give ex"),
        ('"initial_contact"', '"receipt"', 'starts_from = "receipt"', "limits.0.starts_from: right_to_ask has only"),
        (ASSESSMENT, 'applies_to = "prioritised"', 'applies_to = "prioritised"', "limits.3.applies_to: right_to_ask"),
        (LIMIT, LIMIT + LIMIT, "[[limits]]", "limits.1: initial_checks on right_to_ask is settled before, for always"),
        (
            LIMIT,
            LIMIT + FOR_VICTIMS,
            "[[limits]]",
            "limits.1: initial_checks on right_to_ask is settled before, for al",
        ),
        (LIMIT, FOR_VICTIMS + FOR_VICTIMS, "[[limits]]", "limits.1: initial_checks on right_to_ask is settled before"),
        # checks
        ('system = "pnd"', 'system = "pnc"', 'system = "pnc"', "checks.1.system: pnc is given twice"),
        ("shows_visor_marker = true\n", "", 'when = "visor_marker"', "checks.2.when: no check has shows_visor_marker"),
        ('when = "visor_marker"', "shows_visor_marker = true", "shows_visor_marker = true", "checks.2.shows_visor"),
        # agencies
        ('code = "idva"', 'code = "police"', 'code = "police"', "agencies.2.code: police is given twice"),
        ('code = "police"', 'code = "constabulary"', "[[agencies]]", "agencies: police is missing"),
        ('title = "Police"\n', 'title = "Police"\nwhen = "if_children"\n', "[[agencies]]", "agencies: police is mis"),
        # the ladder
        ("hours_left = [12, 4]", "hours_left = [4, 12]", "hours_left = [4, 12]", "alerts.hours_left.1: thresholds"),
        ("left = [5, 2, 1]", "left = [5, 5, 1]", "working_days_left = [5, 5, 1]", "alerts.working_days_left.1"),
        ("from_day = 1,", "from_day = 2,", "    { from_day = 2,", "alerts.reminders.0.from_day: from_day begins"),
        ("from_day = 3,", "from_day = 1,", "    { from_day = 1,", "alerts.reminders.1.from_day: from_day begins"),
        (
            'breached = ["officer", "supervisor"]',
            'breached = ["supervisor"]',
            'breached = ["supervisor"]',
            "alerts.breached: the step before it tells officer",
        ),
        (
            'from_day = 1, levels = ["officer", "supervisor"]',
            'from_day = 1, levels = ["officer"]',
            '    { from_day = 1, levels = ["officer"]',
            "alerts.reminders.0.levels: the step before it tells supervisor",
        ),
        # the rest
        ('= "inspector"', '= "admiral"', 'police_involvement_supervisor = "admiral"', "ranks.police_involvement_sup"),
        ('    "sergeant",', '    "constable",', '    "constable",', "ranks.order.1: constable is given twice"),
        ('code = "engaged"', 'code = "spouse"', '    { code = "spouse"', "relationships.eligible.2.code: spouse is"),
        ('["crime_duty", "report_submitted"]', '["crime_duty"]', 'subject_deceased = ["crime_duty"]', "closing_duties"),
        ("on 0808 2000 247", "on 0808 2000 000", "not_progressed = ", "forms_of_words.not_progressed: the words do"),
        # no TOML at all
        ("[alerts]", "[alerts", "[alerts", "Expected ']' at the end of a table declaration"),
        ("\nhours = 24\n", "\nhours = 24\nhours = 25\n", "hours = 25", "Cannot overwrite a value"),
    ],
)
def test_a_broken_edition_names_file_line_and_key(old: str, new: str, line: str, says: str) -> None:
    found = faults(broken(old, new))
    assert any(at.startswith(line) and said.startswith(says) for at, said in found), found


def test_every_fault_is_told_in_the_order_of_the_lines() -> None:
    text = broken("\nhours = 24\n", "\nhours = 0\n").replace('"superintendent"\n', "7\n").replace("minimum = 3\n", "")
    assert [said.split(":")[0] for _, said in faults(text)] == [
        "limits.0.hours",
        "ranks.emergency_authoriser",
        "contact_attempts.minimum",
    ]


@pytest.mark.parametrize("table", ["closing_duties", "forms_of_words"])
def test_nothing_may_be_missing(table: str) -> None:
    key = {"closing_duties": "withdrawn", "forms_of_words": "warning_undertaking"}[table]
    text = re.sub(rf"^{key} = (\[.*\]|\"\"\"(.|\n)*?\"\"\")$", "", TEXT, count=1, flags=re.MULTILINE)
    assert faults(text) == [(f"[{table}]", f"{table}: {key} is missing")]


def test_the_end_of_a_text_that_breaks_off_is_its_last_line() -> None:
    text = TEXT.rstrip().removesuffix('"""')
    assert refusal(text).startswith(f"statutory-2023.toml:{len(text.splitlines())}: Unterminated string")


# --- a folder of further editions -----------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """What CLARES_LAW_EDITIONS_DIR names."""
    with further_editions(tmp_path):
        yield tmp_path


def test_a_folder_adds_editions(folder: Path) -> None:
    (folder / "further.toml").write_text(TEXT.replace("statutory-2023", "further"), encoding="utf-8")
    assert list(all_editions()) == ["app-2013", "further", "statutory-2023"]


def test_an_edition_stands_in_one_place_only(folder: Path) -> None:
    (folder / "statutory-2023.toml").write_text(TEXT, encoding="utf-8")
    with pytest.raises(EditionInvalid, match=rf"{folder}/statutory-2023.toml:2: name: there is an edition"):
        all_editions()


def test_a_fault_in_the_folder_names_the_whole_path(folder: Path) -> None:
    (folder / "further.toml").write_bytes(b"\xff")
    with pytest.raises(EditionInvalid, match=rf"^{folder}/further.toml:1: this is no text"):
        all_editions()


def test_an_empty_folder_is_a_mistake(folder: Path) -> None:
    with pytest.raises(EditionsMissing, match="holds no edition"):
        all_editions()


# --- what open cases were opened under ------------------------------------------------------------


def test_open_cases_keep_their_edition() -> None:
    here = edition("statutory-2023")
    require_as_used([("statutory-2023", here.content_version), ("app-2013", None)])
    with pytest.raises(EditionNotAsUsed, match="under the edition 'scotland-45', and here are only: app-2013, stat"):
        require_as_used([("scotland-45", None)])
    with pytest.raises(EditionNotAsUsed, match="says something else than version 1 did"):
        require_as_used([("statutory-2023", f"{here.version}+000000000000")])
    with pytest.raises(EditionNotAsUsed, match=f"under version {here.version + 1} of the edition"):
        require_as_used([("statutory-2023", f"{here.version + 1}+000000000000")])


def test_a_later_version_is_a_correction() -> None:
    corrected = parse(broken("\nversion = 1\n", "\nversion = 2\n"), file="statutory-2023.toml")
    assert corrected.content_version.startswith("2+")
    assert corrected.digest != edition("statutory-2023").digest


def test_the_digest_is_of_what_is_said() -> None:
    here = edition("statutory-2023")
    assert parse("# again\n" + TEXT.replace(" = ", "  =  "), file="statutory-2023.toml").digest == here.digest
    said = parse(broken("calendar_days = 28", "calendar_days = 29"), file="statutory-2023.toml")
    assert said.digest != here.digest


PINNED = {
    "app-2013": {"1+2e3f16613d82"},
    "statutory-2023": {"1+925502e08272"},
}
"""Every content version that was ever released. Lines are added, and none is changed."""


@pytest.mark.parametrize("name", PINNED)
def test_what_a_version_says_never_changes(name: str) -> None:
    now = edition(name).content_version
    assert now in PINNED[name], (
        f"{name}.toml no longer says what its version said, and cases are open under it: raise `version` in the file, "
        f"and add its new content version to PINNED. As the file stands: {now}"
    )
    versions = [one.partition("+")[0] for one in PINNED[name]]
    assert len(versions) == len(set(versions)), "one version, one content"


def test_every_shipped_edition_is_pinned() -> None:
    assert set(PINNED) == set(all_editions())
