"""The thresholds of misuse, read once from the release's file or from the one that the settings name."""

import tomllib
from functools import lru_cache
from pathlib import Path

from pydantic import ValidationError

from app.errors import ClaresLawError
from app.misuse.rules import Thresholds
from app.settings import settings

_OF_THE_RELEASE = Path(__file__).with_name("thresholds.toml")


class ThresholdsInvalid(ClaresLawError):
    """The file does not say what is unusual."""

    code = "thresholds_invalid"


def thresholds() -> Thresholds:
    """What is unusual here. Raises ThresholdsInvalid, naming file and place."""
    return _read(settings().misuse_file or _OF_THE_RELEASE)


@lru_cache
def _read(path: Path) -> Thresholds:
    try:
        return Thresholds.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, tomllib.TOMLDecodeError, ValidationError) as fault:
        raise ThresholdsInvalid(f"{path.name}: {fault}") from None
