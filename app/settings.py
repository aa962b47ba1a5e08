"""Settings: the environment, read once into a frozen object. `.env.example` lists them all.

No secret has a default outside the demonstration: a production start without issuer, audience, key set and
database refuses and says which is missing.
"""

from functools import lru_cache
from pathlib import Path
from typing import Literal, Self

from pydantic import AliasChoices, Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

ROOT = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """One field, one variable: `CLARES_LAW_` and the field's name; the database also answers to `DATABASE_URL`."""

    model_config = SettingsConfigDict(
        env_prefix="CLARES_LAW_", env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True
    )

    environment: Literal["demonstration", "production"] = "demonstration"
    database_url: str | None = Field(None, validation_alias=AliasChoices("CLARES_LAW_DATABASE_URL", "DATABASE_URL"))
    data_dir: Path = ROOT / ".data"
    host: str = "127.0.0.1"
    port: int = 8000
    pool_size: int = 20
    pool_timeout_seconds: float = 3.0
    token_issuer: str | None = None
    token_audience: str | None = None
    token_jwks_file: Path | None = None
    clock: Path | None = None
    editions_dir: Path | None = None
    sweep_seconds: float = 2.0
    heartbeat_stale_seconds: float = 30.0
    bank_holidays_url: str = Field("https://www.gov.uk/bank-holidays.json", pattern=r"^(off|https://\S+)$")
    calendar_notice_days: int = Field(300, ge=1)
    log_level: str = "INFO"

    @model_validator(mode="after")
    def _production_names_everything(self) -> Self:
        if self.environment != "production":
            return self
        needed = ("database_url", "token_issuer", "token_audience", "token_jwks_file")
        missing = [f"CLARES_LAW_{name.upper()}" for name in needed if getattr(self, name) is None]
        if missing:
            raise ValueError(f"production needs {', '.join(missing)}")
        if self.clock is not None:
            raise ValueError("production refuses CLARES_LAW_CLOCK: its time is the machine's")
        return self


@lru_cache
def settings() -> Settings:
    """The settings of this process."""
    return Settings()
