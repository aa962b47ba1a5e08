"""Editions of the guidance, one TOML file each in this folder, read and validated once (H9).

To add one, add a file: other limits, agencies, checks and words over the same stages need no code. A scheme that needs
its own keeps it in the folder that `CLARES_LAW_EDITIONS_DIR` names, beside those of this release.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from app.editions.lines import line_of
from app.editions.rules import Edition, Misplaced
from app.errors import ClaresLawError, Unprocessable
from app.settings import settings

DEFAULT_EDITION = "statutory-2023"

_FOLDER = Path(__file__).parent
_TOML_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


class EditionInvalid(ClaresLawError):
    """A file does not describe an edition; the text names the file, and line and key of every fault."""

    code = "edition_invalid"

    def __init__(self, file: str, faults: Iterable[tuple[int, str]]) -> None:
        super().__init__("; ".join(f"{file}:{line}: {says}" for line, says in sorted(faults)))


class EditionsMissing(ClaresLawError):
    """The folder that the settings name holds no editions."""

    code = "editions_missing"


class EditionNotAsUsed(ClaresLawError):
    """Open cases were opened under an edition that this process does not have, or not as it was then."""

    code = "edition_not_as_used"


class UnknownEdition(Unprocessable):
    """No edition has that name."""

    code = "unknown_edition"


def parse(text: str, *, file: str) -> Edition:
    """The edition that a TOML text describes; its file bears its name. EditionInvalid otherwise."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        raise EditionInvalid(file, [_unreadable(text, str(fault))]) from fault
    if "digest" in data:
        raise EditionInvalid(file, [(line_of(text, ["digest"]), "digest: it is worked out, never given")])
    try:
        found = Edition.model_validate(data)
    except ValidationError as fault:
        raise EditionInvalid(file, [_located(text, error) for error in fault.errors(include_url=False)]) from fault
    if Path(file).stem != found.name:
        raise EditionInvalid(file, [(line_of(text, ["name"]), f"name: {found.name} is not the name of the file")])
    return found


def _unreadable(text: str, says: str) -> tuple[int, str]:
    found = _TOML_PLACE.search(says)
    line = int(found[1]) if found and found[1] else len(text.splitlines())
    return line, _TOML_PLACE.sub("", says)


def _located(text: str, error: Any) -> tuple[int, str]:
    raised = error.get("ctx", {}).get("error")
    place = (*error["loc"], *(raised.at if isinstance(raised, Misplaced) else ()))
    says = str(raised) if isinstance(raised, ValueError) else error["msg"]
    return line_of(text, place), ": ".join(filter(None, (".".join(map(str, place)), says)))


@cache
def all_editions() -> Mapping[str, Edition]:
    """Every edition by name, in the order of the names. EditionInvalid or EditionsMissing otherwise."""
    found: dict[str, Edition] = {}
    for file in (*sorted(_FOLDER.glob("*.toml")), *_further()):
        text, named = _text_of(file), file.name if file.parent == _FOLDER else str(file)
        one = parse(text, file=named)
        if one.name in found:
            raise EditionInvalid(named, [(line_of(text, ["name"]), f"name: there is an edition {one.name} already")])
        found[one.name] = one
    return MappingProxyType({name: found[name] for name in sorted(found)})


def _further() -> list[Path]:
    folder = settings().editions_dir
    if folder is None:
        return []
    if not (files := sorted(folder.glob("*.toml"))):
        raise EditionsMissing(f"CLARES_LAW_EDITIONS_DIR names {folder}, which holds no edition: no file *.toml.")
    return files


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        why = fault.strerror if isinstance(fault, OSError) else "this is no text in UTF-8"
        raise EditionInvalid(str(file), [(1, str(why))]) from fault


def edition(name: str) -> Edition:
    """The edition of that name. Raises UnknownEdition, which lists the names there are."""
    try:
        return all_editions()[name]
    except KeyError:
        known = ", ".join(all_editions())
        raise UnknownEdition(f"There is no edition of that name; there are: {known}.", field="edition") from None


def require_as_used(in_use: Iterable[tuple[str, str | None]]) -> None:
    """Refuse to go on beside open cases whose edition is not here as they know it: their names and content versions.

    An edition of a later version is a correction, and its cases go on under that. Raises EditionNotAsUsed where the
    name is unknown, the version is older, or the same version says something else.
    """
    for name, opened_under in in_use:
        if name not in all_editions():
            raise EditionNotAsUsed(
                f"Open cases are under the edition '{name}', and here are only: {', '.join(all_editions())}. Name the "
                "folder that holds it in CLARES_LAW_EDITIONS_DIR."
            )
        now = all_editions()[name]
        if opened_under is None:
            continue
        version = int(opened_under.partition("+")[0])
        if version > now.version:
            raise EditionNotAsUsed(
                f"Open cases are under version {version} of the edition '{name}', and here is version {now.version}."
            )
        if version == now.version and opened_under != now.content_version:
            raise EditionNotAsUsed(
                f"The edition '{name}' says something else than version {version} did when open cases began under it "
                f"({opened_under}, now {now.content_version}): give what it says now a higher version."
            )
