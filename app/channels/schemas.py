"""Webhooks, absences, preferences and calendar feeds as they come in and go out."""

from datetime import datetime
from typing import Annotated
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StrictBool, StringConstraints


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _View(BaseModel):
    model_config = ConfigDict(from_attributes=True, frozen=True)


def _address(typed: str) -> str:
    parts = urlsplit(typed)
    try:
        whole = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        whole = False
    if not whole or parts.username is not None or parts.password is not None or parts.fragment:
        raise ValueError("give an https:// address with a host, without user, password or fragment")
    return typed


class WebhookIn(_In):
    """Where alerts of the force are to be posted."""

    url: Annotated[
        str, StringConstraints(max_length=1000, pattern=r"^https?://[\x21-\x7e]+$"), AfterValidator(_address)
    ] = Field(examples=["https://alerts.northmoor.example/clares-law"])


class RotationIn(_In):
    """How long the secret of before goes on signing beside the new one."""

    overlap_hours: Annotated[int, Field(ge=0, le=7 * 24)] = 24


class WebhookView(_View):
    """A system that alerts are posted to. Its secrets are never shown again."""

    id: UUID
    url: str
    created_at: datetime
    previous_secret_until: datetime | None
    disabled_at: datetime | None


class WebhookMade(WebhookView):
    """A subscription with a secret that is shown this once."""

    secret: str = Field(description="64 hexadecimal digits: the 32 bytes that posts are signed with. Shown once.")


class Posted(_View):
    """A message that was put in the outbox."""

    idempotency_key: str


class AbsenceIn(_In):
    """When somebody is away, and who is told instead: a colleague of the own force, else the supervisors."""

    absent_from: AwareDatetime
    absent_until: AwareDatetime
    deputy_id: UUID | None = None


class AbsenceView(_View):
    """An absence, as recorded; `ended_at` where the person was back earlier."""

    id: UUID
    staff_id: UUID
    absent_from: datetime
    absent_until: datetime
    deputy_id: UUID | None
    recorded_at: datetime
    recorded_by: UUID
    ended_at: datetime | None


class PreferenceIn(_In):
    """How a person wants to be told. The inbox and the stream are there whatever is chosen."""

    mail: StrictBool = True
    digest: StrictBool = Field(False, description="One mail each working day instead of one for each alert.")
    digest_at: Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")] = Field(
        "07:30", description="London time."
    )


class PreferenceView(_View):
    """How a person is told; `mailed` where a work address is held and the service sends mail at all."""

    mail: bool
    digest: bool
    digest_at: str = Field(description="London time.", examples=["07:30"])
    mailed: bool


class FeedView(_View):
    """An address under which one's own clocks are read. The address itself is shown when it is made."""

    id: UUID
    created_at: datetime
    revoked_at: datetime | None


class FeedMade(FeedView):
    """A feed with its address, shown this once: whoever has it reads the references of the owner's cases."""

    path: str = Field(description="Below the service's own address. The address is the credential: keep it private.")
