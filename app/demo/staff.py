"""The fictional forces, their partner agencies, and one account for each part that a person plays."""

from dataclasses import dataclass
from uuid import UUID, uuid5

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.demonstration import subject_of
from app.access.rules import Role
from app.access.tables import Agency, Force, StaffMember

OWN, OTHER = "northmoor", "southvale"
_SPACE = UUID("0b8f5c1e-7c55-4c0e-9a35-3d1f1f6f2a44")

CONTROL_ROOM = subject_of(Role.CONTROL_ROOM)
OFFICER = subject_of(Role.PUBLIC_PROTECTION_OFFICER)
SECOND_OFFICER = "demo-second-officer"
SUPERVISOR = subject_of(Role.PUBLIC_PROTECTION_SUPERVISOR)
SECOND_SUPERVISOR = "demo-second-supervisor"
HEAD = subject_of(Role.HEAD_OF_PUBLIC_PROTECTION)
CHAIR = subject_of(Role.FORUM_CHAIR)
FORUM_MEMBER = subject_of(Role.FORUM_MEMBER)
PROBATION, IDVA, SOCIAL_CARE = "demo-probation", "demo-idva", "demo-social-care"
INTELLIGENCE = subject_of(Role.INTELLIGENCE_OFFICER)
OTHER_CONTROL_ROOM, OTHER_OFFICER = "demo-southvale-control-room", "demo-southvale-officer"
OTHER_SUPERVISOR, OTHER_INTELLIGENCE = "demo-southvale-supervisor", "demo-southvale-intelligence"

QUORUM = (CHAIR, SECOND_OFFICER, PROBATION, IDVA, SOCIAL_CARE, FORUM_MEMBER)
"""Who sits at the fictional forum: the second officer is its police member, the chair only chairs."""

_FORCES = {OWN: "Northmoor Police", OTHER: "Southvale Police"}
_AGENCIES = {
    "northmoor-probation": ("probation", "Northmoor Probation Service"),
    "northmoor-idva": ("idva", "Northmoor IDVA Service"),
    "northmoor-social-care": ("childrens_social_care", "Northmoor Children's Social Care"),
}


@dataclass(frozen=True)
class Account:
    """A member of staff: of a force, or of an agency where one is named."""

    subject: str
    name: str
    role: Role
    rank: str | None = None
    force_id: str = OWN
    agency_id: str | None = None


ACCOUNTS = (
    Account(CONTROL_ROOM, "Ina Vented, control room", Role.CONTROL_ROOM),
    Account(OFFICER, "PC Nell Inventon", Role.PUBLIC_PROTECTION_OFFICER, "constable"),
    Account(SECOND_OFFICER, "PS Tom Figmentson", Role.PUBLIC_PROTECTION_OFFICER, "sergeant"),
    Account(SUPERVISOR, "DI Ruth Fictley", Role.PUBLIC_PROTECTION_SUPERVISOR, "inspector"),
    Account(SECOND_SUPERVISOR, "DI Omar Storyman", Role.PUBLIC_PROTECTION_SUPERVISOR, "inspector"),
    Account(HEAD, "Supt Grace Madeupham", Role.HEAD_OF_PUBLIC_PROTECTION, "superintendent"),
    Account(CHAIR, "DCI Hugh Fabelwood", Role.FORUM_CHAIR, "chief_inspector"),
    Account(INTELLIGENCE, "Ivo Talespin, force intelligence", Role.INTELLIGENCE_OFFICER),
    Account(subject_of(Role.PROFESSIONAL_STANDARDS), "DI Una Realey", Role.PROFESSIONAL_STANDARDS, "inspector"),
    Account(subject_of(Role.AUDITOR), "Max Pretendry, audit", Role.AUDITOR),
    Account(subject_of(Role.ADMINISTRATOR), "Dee Imaginey, accounts", Role.ADMINISTRATOR),
    Account(FORUM_MEMBER, "Lee Notional, probation", Role.FORUM_MEMBER, agency_id="northmoor-probation"),
    Account(PROBATION, "Kit Mythington, probation", Role.FORUM_MEMBER, agency_id="northmoor-probation"),
    Account(IDVA, "Rosa Legendre, IDVA", Role.FORUM_MEMBER, agency_id="northmoor-idva"),
    Account(SOCIAL_CARE, "Sam Fablecroft, social care", Role.FORUM_MEMBER, agency_id="northmoor-social-care"),
    Account(OTHER_CONTROL_ROOM, "Al Legory, control room", Role.CONTROL_ROOM, force_id=OTHER),
    Account(OTHER_OFFICER, "PC Joy Parabell", Role.PUBLIC_PROTECTION_OFFICER, "constable", OTHER),
    Account(OTHER_SUPERVISOR, "DI Ken Conjurey", Role.PUBLIC_PROTECTION_SUPERVISOR, "inspector", OTHER),
    Account(OTHER_INTELLIGENCE, "Vi Sagaworth, force intelligence", Role.INTELLIGENCE_OFFICER, force_id=OTHER),
)


def staff_id_of(subject: str) -> UUID:
    """The id of a demonstration account: the same in every installation, so that a meeting can name its members."""
    return uuid5(_SPACE, subject)


async def keep_staff(session: AsyncSession) -> None:
    """Put in the forces, agencies and accounts; what is there already stays. For the database's owner."""
    forces = [{"id": force, "name": name, "division": "england-and-wales"} for force, name in _FORCES.items()]
    agencies = [
        {"id": agency, "force_id": OWN, "kind": kind, "name": name} for agency, (kind, name) in _AGENCIES.items()
    ]
    accounts = [
        {
            "id": staff_id_of(one.subject),
            "subject": one.subject,
            "name": one.name,
            "force_id": None if one.agency_id else one.force_id,
            "agency_id": one.agency_id,
            "roles": [one.role.value],
            "rank": one.rank,
            "active": True,
        }
        for one in ACCOUNTS
    ]
    for table, rows in ((Force, forces), (Agency, agencies), (StaffMember, accounts)):
        await session.execute(insert(table).on_conflict_do_nothing(), rows)
