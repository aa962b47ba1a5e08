"""The scheme on one screen: eight stages, in order, and the only ways from one to the next.

A stage's value is the name of its package. The table in the README and the layers of the import contract are
checked against this file. Pure: no I/O, no framework.
"""

from enum import StrEnum


class Stage(StrEnum):
    """Where a case stands (H3 to H8). Category, decision and delivery belong to each potential victim instead."""

    INTAKE = "intake"
    INITIAL_CHECKS = "initial_checks"
    FACE_TO_FACE = "face_to_face"
    RISK_ASSESSMENT = "risk_assessment"
    CATEGORISATION = "categorisation"
    FORUM = "forum"
    DISCLOSURE = "disclosure"
    FINAL_REPORT = "final_report"
    CLOSED = "closed"


class Move(StrEnum):
    """What takes a case from one stage to another."""

    OPENED = "opened"
    PROGRESSED_TO_MEETING = "progressed_to_meeting"
    PROGRESSED_TO_ASSESSMENT = "progressed_to_assessment"
    PROGRESSED_TO_CATEGORISATION = "progressed_to_categorisation"
    NOT_PROGRESSED = "not_progressed"
    MET = "met"
    ASSESSED = "assessed"
    REFERRED = "referred"
    DECIDED = "decided"
    RETURNED_TO_FORUM = "returned_to_forum"
    EMERGENCY_AUTHORISED = "emergency_authorised"
    CONCLUDED = "concluded"
    MALICIOUS = "malicious"
    WITHDRAWN = "withdrawn"
    SUBJECT_DECEASED = "subject_deceased"
    NOT_COMPLETED = "not_completed"
    CLOSED = "closed"


S, M = Stage, Move

_BEFORE_FORUM = (S.INITIAL_CHECKS, S.FACE_TO_FACE, S.RISK_ASSESSMENT, S.CATEGORISATION)
_UNDECIDED = (*_BEFORE_FORUM, S.FORUM)
_OPEN = (*_UNDECIDED, S.DISCLOSURE)

TRANSITIONS: dict[tuple[Stage, Move], Stage] = {
    (S.INTAKE, M.OPENED): S.INITIAL_CHECKS,  # H3.4
    (S.INITIAL_CHECKS, M.PROGRESSED_TO_MEETING): S.FACE_TO_FACE,  # right to ask, H5.1
    (
        S.INITIAL_CHECKS,
        M.PROGRESSED_TO_ASSESSMENT,
    ): S.RISK_ASSESSMENT,  # right to know, prioritised, H5.2
    (
        S.INITIAL_CHECKS,
        M.PROGRESSED_TO_CATEGORISATION,
    ): S.CATEGORISATION,  # right to know, otherwise
    (S.INITIAL_CHECKS, M.NOT_PROGRESSED): S.FINAL_REPORT,  # H4.4
    (S.FACE_TO_FACE, M.MET): S.RISK_ASSESSMENT,
    (S.RISK_ASSESSMENT, M.ASSESSED): S.CATEGORISATION,
    (S.CATEGORISATION, M.REFERRED): S.FORUM,  # both categories go to the forum, H5.6
    (S.FORUM, M.DECIDED): S.DISCLOSURE,
    (S.DISCLOSURE, M.RETURNED_TO_FORUM): S.FORUM,
    (S.DISCLOSURE, M.CONCLUDED): S.FINAL_REPORT,
    **{(stage, M.EMERGENCY_AUTHORISED): S.FORUM for stage in _BEFORE_FORUM},  # the forum reviews it, H6.8
    **{(stage, M.MALICIOUS): S.FINAL_REPORT for stage in _BEFORE_FORUM[1:]},  # H5.1a
    **{(stage, M.WITHDRAWN): S.FINAL_REPORT for stage in _OPEN},  # H8.4
    **{(stage, M.SUBJECT_DECEASED): S.FINAL_REPORT for stage in _OPEN},  # H4.5
    **{(stage, M.NOT_COMPLETED): S.FINAL_REPORT for stage in _OPEN},  # H7.6
    (S.FINAL_REPORT, M.CLOSED): S.CLOSED,  # H8.1
}


class IllegalMove(Exception):
    """A move that the table does not hold: nothing changes."""

    def __init__(self, stage: Stage, move: Move) -> None:
        self.stage, self.move = stage, move
        wanted = ", ".join(sorted(s.value for s, m in TRANSITIONS if m is move))
        super().__init__(f"The case is at {stage.value}; '{move.value}' is possible at: {wanted}.")


def require(stage: Stage, move: Move) -> Stage:
    """The stage that `move` leads to, or IllegalMove. There is no default branch."""
    try:
        return TRANSITIONS[stage, move]
    except KeyError:
        raise IllegalMove(stage, move) from None


def as_table() -> str:
    """The process as a Markdown table; the README carries it and a test compares.

    Moves that several stages share stand in a row of their own below the stages.
    """
    shared: dict[tuple[Move, Stage], list[Stage]] = {}
    for (at, move), to in TRANSITIONS.items():
        shared.setdefault((move, to), []).append(at)
    rows = ["| | stage | package | how a case leaves it |", "|---|---|---|---|"]
    for number, stage in enumerate(Stage, start=1):
        if stage is Stage.CLOSED:
            continue
        own = [f"{move} → {to}" for (move, to), ats in shared.items() if ats == [stage]]
        rows.append(f"| {number} | {_words(stage)} | `app/{stage}/` | {_words('<br>'.join(own))} |")
    for (move, to), ats in shared.items():
        if len(ats) > 1:
            rows.append(f"| | {_words(f'{ats[0]} to {ats[-1]}')} | | {_words(f'{move} → {to}')} |")
    return "\n".join(rows)


def _words(text: str) -> str:
    return text.replace("_", " ")
