"""Settings: the environment, read once into a frozen object. `.env.example` lists them all.

No secret has a default outside the demonstration: a production start without issuer, audience and database
refuses and says which is missing.
"""

from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

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
    lock_timeout_seconds: float = Field(5.0, gt=0)
    token_issuer: str | None = None
    token_audience: str | None = None
    token_jwks_file: Path | None = None
    sign_in_client_id: str | None = None
    sign_in_client_secret_file: Path | None = None
    sign_in_scopes: str = "openid profile"
    public_url: str | None = Field(None, pattern=r"^https?://[^/?#@\s]+$")
    claim_roles: str | None = None
    claim_force: str | None = None
    claim_agency: str | None = None
    claim_name: str = "name"
    claim_role_map: dict[str, str] = {}
    session_idle_minutes: float = Field(15, gt=0, le=120)
    session_hours: float = Field(8, gt=0, le=24)
    step_up_minutes: float | None = Field(None, gt=0, le=60)
    built_in_identity: bool = False
    clock: Path | None = None
    editions_dir: Path | None = None
    retention_file: Path | None = None
    misuse_file: Path | None = None
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
    evidence_key_file: Path | None = None
    evidence_origin: str | None = Field(None, pattern=r"^[^\s+]+$")
    witness_file: Path | None = None
    witness_url: str | None = Field(None, pattern=r"^https?://\S+$")
    witness_token_file: Path | None = None
    sequence_seconds: float = Field(1.0, gt=0, le=60)
    case_keys_file: Path | None = None
    transit_url: str | None = Field(None, pattern=r"^https?://[^\s/]+/?$")
    transit_key: str = Field("clares-law", pattern=r"^[A-Za-z0-9_.-]+$")
    transit_mount: str = Field("transit", pattern=r"^[A-Za-z0-9_./-]+$")
    transit_token_file: Path | None = None
    transit_namespace: str | None = None
    transit_timeout_seconds: float = Field(2.0, gt=0, le=10)
    data_key_seconds: float = Field(60.0, ge=0, le=3600)
    ca_file: FilePath | None = None
    delivery_tries: int = Field(10, ge=1)
    delivery_first_wait_seconds: float = Field(30.0, gt=0, le=3600)
    delivery_longest_wait_seconds: float = Field(3600.0, gt=0, le=12 * 3600)
    receiver_timeout_seconds: float = Field(10.0, gt=0, le=30)
    break_glass_hours: float = Field(4.0, gt=0, le=24)
    stream_limit: int = Field(100, ge=0)
    stream_seconds: float = Field(3600.0, ge=0)
    subject_access_answer: str = (
        "Your request has been considered. Beside what is sent with this letter, if anything, there is no personal "
        "data of yours that the law requires us to give you. This says neither that we hold any other data of yours "
        "nor that we hold none."
    )

    def __hash__(self) -> int:
        """By what is set: a map among the fields has no hash of its own."""
        return hash(self.model_dump_json())

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

    @model_validator(mode="after")
    def _identity_is_whole(self) -> Self:
        for name in ("token_issuer", "public_url"):
            address = getattr(self, name)
            if address is not None and not self._may_be_asked(address):
                raise ValueError(
                    f"CLARES_LAW_{name.upper()} begins with https:// (http:// on this machine's loopback only, "
                    "and never in production)"
                )
        if self.sign_in_client_id is not None:
            missing = [name for name in ("token_issuer", "public_url") if getattr(self, name) is None]
            if missing:
                raise ValueError(f"sign-in needs {', '.join(f'CLARES_LAW_{name.upper()}' for name in missing)}")
            if self.sign_in_client_id == self.token_audience:
                raise ValueError(
                    "CLARES_LAW_TOKEN_AUDIENCE is another name than CLARES_LAW_SIGN_IN_CLIENT_ID: an id token is "
                    "meant for the client, and lets nobody in as a bearer token"
                )
        if self.built_in_identity and self.sign_in_client_id is None:
            raise ValueError("CLARES_LAW_BUILT_IN_IDENTITY needs CLARES_LAW_SIGN_IN_CLIENT_ID")
        if "openid" not in self.sign_in_scopes.split():
            raise ValueError("CLARES_LAW_SIGN_IN_SCOPES names openid, without which nobody is told who signed in")
        return self

    def _may_be_asked(self, address: str) -> bool:
        parts = urlsplit(address)
        loopback = parts.hostname in ("127.0.0.1", "::1", "localhost")
        plain = parts.scheme == "http" and self.environment != "production" and (loopback or self.built_in_identity)
        return parts.scheme == "https" or plain

    @property
    def step_up_window(self) -> timedelta:
        """How long ago, at most, somebody signed in who takes one of the gravest decisions.

        The demonstration's tokens are printed on a card and copied by hand, and nobody can sign in to get a fresher one
        without a browser: there, unless set, a sign-in is recent for as long as any token is good.
        """
        if self.step_up_minutes is None:
            return timedelta(days=7) if self.environment == "demonstration" else timedelta(minutes=10)
        return timedelta(minutes=self.step_up_minutes)

    @property
    def staff_domains(self) -> frozenset[str]:
        """The domains that alerts may be mailed to: nobody outside the staff is ever written to (H2.2)."""
        return frozenset(part.strip().lower() for part in (self.mail_domains or "").split(",") if part.strip())

    @model_validator(mode="after")
    def _keys_are_whole(self) -> Self:
        if self.transit_url is not None and self.transit_token_file is None:
            raise ValueError("CLARES_LAW_TRANSIT_URL needs CLARES_LAW_TRANSIT_TOKEN_FILE")
        if self.environment == "production":
            if self.case_keys_file is not None:
                raise ValueError("production refuses CLARES_LAW_CASE_KEYS_FILE: its keys are the transit engine's")
            if self.transit_url is not None and not self.transit_url.startswith("https://"):
                raise ValueError("production refuses CLARES_LAW_TRANSIT_URL without https://: keys travel encrypted")
            if self.witness_url is not None and not self.witness_url.startswith("https://"):
                raise ValueError(
                    "production refuses CLARES_LAW_WITNESS_URL without https://: nobody else answers for it"
                )
        return self

    @model_validator(mode="after")
    def _production_names_everything(self) -> Self:
        if self.environment != "production":
            return self
        needed = ("database_url", "token_issuer", "token_audience", "transit_url")
        missing = [f"CLARES_LAW_{name.upper()}" for name in needed if getattr(self, name) is None]
        if missing:
            raise ValueError(f"production needs {', '.join(missing)}")
        if self.clock is not None:
            raise ValueError("production refuses CLARES_LAW_CLOCK: its time is the machine's")
        if self.built_in_identity:
            raise ValueError("production refuses CLARES_LAW_BUILT_IN_IDENTITY: it lets anybody sign in as anybody")
        return self


@lru_cache
def settings() -> Settings:
    """The settings of this process."""
    return Settings()
