"""Settings: the environment, read once into a frozen object. `.env.example` lists them all.

No secret has a default outside the demonstration: a production start without issuer, audience, key set and
database refuses and says which is missing.
"""

from functools import lru_cache
from pathlib import Path
from typing import Literal, Self

from pydantic import AliasChoices, Field, FilePath, SecretStr, model_validator
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
    retention_file: Path | None = None
    sweep_seconds: float = 2.0
    heartbeat_stale_seconds: float = 30.0
    bank_holidays_url: str = Field("https://www.gov.uk/bank-holidays.json", pattern=r"^(off|https://\S+)$")
    calendar_notice_days: int = Field(300, ge=1)
    log_level: str = "INFO"
    smtp_host: str | None = None
    smtp_port: int = 587
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    smtp_user: str | None = None
    smtp_password: SecretStr | None = None
    mail_from: str | None = None
    mail_domains: str | None = None
    secrets_key_file: Path | None = None
    ca_file: FilePath | None = None
    delivery_tries: int = Field(10, ge=1)
    delivery_first_wait_seconds: float = Field(30.0, gt=0, le=3600)
    delivery_longest_wait_seconds: float = Field(3600.0, gt=0, le=12 * 3600)
    receiver_timeout_seconds: float = Field(10.0, gt=0, le=30)
    stream_limit: int = Field(100, ge=0)
    stream_seconds: float = Field(3600.0, ge=0)

    @model_validator(mode="after")
    def _mail_is_whole(self) -> Self:
        if self.smtp_host is None:
            return self
        missing = [name for name in ("mail_from", "mail_domains") if getattr(self, name) is None]
        if missing:
            raise ValueError(f"mail needs {', '.join(f'CLARES_LAW_{name.upper()}' for name in missing)}")
        if self.environment == "production" and self.smtp_security == "none":
            raise ValueError("production refuses CLARES_LAW_SMTP_SECURITY=none: alerts travel encrypted")
        return self

    @property
    def staff_domains(self) -> frozenset[str]:
        """The domains that alerts may be mailed to: nobody outside the staff is ever written to (H2.2)."""
        return frozenset(part.strip().lower() for part in (self.mail_domains or "").split(",") if part.strip())

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
