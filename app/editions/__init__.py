"""Editions of the guidance, one TOML file each in this folder, read and validated once (H9).

To add one, add a file: other limits, agencies, checks and words over the same stages need no code.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from pydantic import ValidationError

from app.editions.rules import Edition
from app.errors import ClaresLawError, Unprocessable

DEFAULT_EDITION = "statutory-2023"

_FOLDER = Path(__file__).parent


class EditionInvalid(ClaresLawError):
    """A file does not describe an edition; the text names the file and every offending key."""

    code = "edition_invalid"

    def __init__(self, file: str, faults: list[str]) -> None:
        super().__init__(f"{file}: {'; '.join(faults)}")


class UnknownEdition(Unprocessable):
    """No edition has that name."""

    code = "unknown_edition"


def parse(text: str, *, file: str) -> Edition:
    """The edition that a TOML text describes; its file bears its name. EditionInvalid otherwise."""
    try:
        edition = Edition.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as fault:
        raise EditionInvalid(file, [str(fault)]) from fault
    except ValidationError as fault:
        raise EditionInvalid(file, _faults(fault)) from fault
    if Path(file).stem != edition.name:
        raise EditionInvalid(file, [f"name: {edition.name} is not the name of the file"])
    return edition


def _faults(fault: ValidationError) -> list[str]:
    return [
        ": ".join(filter(None, (".".join(map(str, error["loc"])), error["msg"])))
        for error in fault.errors(include_url=False, include_input=False)
    ]


@cache
def all_editions() -> Mapping[str, Edition]:
    """Every edition by name, in the order of the names. EditionInvalid otherwise."""
    editions = [parse(file.read_text(encoding="utf-8"), file=file.name) for file in sorted(_FOLDER.glob("*.toml"))]
    return MappingProxyType({edition.name: edition for edition in editions})


def edition(name: str) -> Edition:
    """The edition of that name. Raises UnknownEdition, which lists the names there are."""
    try:
        return all_editions()[name]
    except KeyError:
        known = ", ".join(all_editions())
        raise UnknownEdition(f"There is no edition '{name}'; there are: {known}.", field="edition") from None
