"""Staff and agencies as an administrator keeps them."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, PastDate, StrictBool, StringConstraints

from app.access.rules import Role

_Text = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
_Email = Annotated[
    str,
    StringConstraints(
        max_length=254, pattern=r"^[A-Za-z0-9._%+'-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$", to_lower=True
    ),
    Field(description="The work address that alerts go to; nobody outside the staff is ever written to."),
]
_Code = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,60}$")]


_Address = Annotated[
    str,
    StringConstraints(min_length=1, max_length=300, pattern=r"^[^\x00-\x1f\x7f]+$"),
    Field(description="Home address: kept as a keyed hash alone, compared with the persons touched (H12.1)."),
]
_Hour = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$"), Field(examples=["07:00"])]


class ShiftIn(BaseModel):
    """Hours worked in every week, London time; hours that end no later than they begin go past midnight."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    weekday: Annotated[int, Field(ge=0, le=6, description="0 is Monday.")]
    begins: _Hour
    ends: _Hour


_Shifts = Annotated[list[ShiftIn], Field(max_length=28)]


class AgencyIn(BaseModel):
    """An agency that sits on the force's forum."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: _Code = Field(examples=["northmoor-probation"])
    kind: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_]{1,60}$")] = Field(
        description="An agency code of the edition.", examples=["probation"]
    )
    name: _Text


class AgencyView(AgencyIn):
    """An agency."""

    force_id: str


class StaffIn(BaseModel):
    """An account: of the administrator's force, or of an agency that sits with it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    subject: _Text = Field(description="The `sub` that the issuer's tokens carry.")
    name: _Text
    roles: Annotated[list[Role], Field(min_length=1, max_length=10)]
    agency_id: _Code | None = None
    rank: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_]{1,60}$")] | None = None
    born: PastDate | None = Field(
        None, description="Date of birth: compared with the parties of cases, and never shown again (H2.8)."
    )
    email: _Email | None = None
    address: _Address | None = None
    shifts: _Shifts | None = None


class StaffChangeIn(BaseModel):
    """What an account may do from the next request on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    roles: Annotated[list[Role], Field(max_length=10)]
    rank: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_]{1,60}$")] | None = Field(
        None, description="Left out, it stays as it is; null takes it away."
    )
    active: StrictBool = True
    born: PastDate | None = Field(
        None,
        description="Date of birth, where it is to change; never shown (H2.8).",
    )
    email: _Email | None = Field(None, description="Left out, it stays as it is; null takes it away.")
    address: _Address | None = Field(None, description="Left out, its hash stays as it is; null takes it away.")
    shifts: _Shifts | None = Field(None, description="Left out, they stay as they are; null takes them away.")


class SessionView(BaseModel):
    """Who is asking."""

    staff_id: UUID
    name: str
    force_id: str | None
    agency_id: str | None
    rank: str | None
    roles: list[Role] = Field(description="Those that count now: the account's, less what the token does not claim.")
    by: Literal["session", "bearer"]
    signed_in_at: datetime | None = Field(description="When the provider last asked who it is, where it says so.")
    ends_at: datetime
    ends_unless_used_by: datetime | None = Field(description="Of a session: when it ends unless a request comes first.")


class EndedView(BaseModel):
    """How many sessions were ended."""

    ended: int


class AccountChangeView(BaseModel):
    """What an account might do before and after, who changed it, and when by the database's clock."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    staff_id: UUID
    changed_by: UUID | None = Field(
        description="The administrator; the account itself where the identity provider's claims changed it at a "
        "sign-in; none of the first administrator, and of what stood before changes were kept."
    )
    changed_at: datetime
    roles_before: list[str] | None = Field(description="None of an account that is new.")
    roles_after: list[str]
    rank_before: str | None
    rank_after: str | None
    active_before: bool | None
    active_after: bool


class StaffView(BaseModel):
    """An account."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    subject: str
    name: str
    force_id: str | None
    agency_id: str | None
    roles: list[str]
    rank: str | None
    active: bool
    email: str | None
    shifts: list[ShiftIn] | None
