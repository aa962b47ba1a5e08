"""The family tree of errors. Each concrete error lives beside what raises it; HTTP is mapped once, by family.

An `Obstacle` is one rule of the scheme that is not met. A *decision* is refused with all its obstacles at once
(`refuse_if`); an *act* is recorded with them and put before a supervisor (H2.10). So each rule is written once.
Pure.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Obstacle:
    """A rule not met: `code` for machines, `says` for people (what is wrong and what to do), `rule` its H-number."""

    code: str
    says: str
    rule: str


class ClaresLawError(Exception):
    """Every error that the service raises on purpose. `code` is stable; the text says what to do."""

    code: ClassVar[str] = "error"


class NotFound(ClaresLawError):
    """Not there, or not yours: the two answer alike."""

    code = "not_found"

    def __init__(self, what: str = "Nothing is held under that address.") -> None:
        super().__init__(what)


class Gone(ClaresLawError):
    """It was there, and was erased for good."""

    code = "gone"


class NotPermitted(ClaresLawError):
    """The role may not."""

    code = "not_permitted"


class Unauthenticated(ClaresLawError):
    """Nobody is known to be asking, or not well enough; `challenge` says how to ask (RFC 9110, 11.6.1)."""

    code = "unauthenticated"
    challenge: str = "Bearer"


class Unprocessable(ClaresLawError):
    """What the published schema refuses; `field` is the path of the offending one."""

    code = "unprocessable"

    def __init__(self, says: str, *, field: str | None = None) -> None:
        super().__init__(says)
        self.field = field


class Conflict(ClaresLawError):
    """A rule of the scheme stands against it."""

    code = "conflict"


class WrongStage(Conflict):
    """A decision out of order."""

    code = "wrong_stage"


class AlreadyDecided(Conflict):
    """It has been decided, and a decision is not made twice."""

    code = "already_decided"


class Refused(Conflict):
    """A decision that the rules do not permit yet, with every obstacle."""

    code = "refused"

    def __init__(self, obstacles: tuple[Obstacle, ...]) -> None:
        super().__init__(" ".join(obstacle.says for obstacle in obstacles))
        self.obstacles = obstacles


class StaleVersion(ClaresLawError):
    """The case changed since it was read."""

    code = "stale_version"


class VersionRequired(ClaresLawError):
    """A decision must say which version of the case it was made on."""

    code = "version_required"


class ReasonRequired(ClaresLawError):
    """A case that is not the reader's own is read with a reason (H12.1)."""

    code = "reason_required"


class Unavailable(ClaresLawError):
    """The service cannot answer now; nothing was done."""

    code = "unavailable"


class Unreadable(ClaresLawError):
    """A record is there and cannot be shown: what was kept does not open."""

    code = "unreadable_record"


def refuse_if(obstacles: Iterable[Obstacle]) -> None:
    """Refuse the decision where any obstacle stands."""
    if found := tuple(obstacles):
        raise Refused(found)
