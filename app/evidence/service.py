"""Writing the log: Core inserts, because the role that writes it may not read it back."""

from uuid import UUID, uuid4

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.evidence.tables import Category, LogRow


async def log(
    session: AsyncSession,
    category: Category,
    action: str,
    *,
    request_id: str,
    staff_id: UUID | None,
    organisation: str | None,
    force_id: str | None = None,
    case_id: UUID | None = None,
    event_id: UUID | None = None,
    recipient: UUID | None = None,
    refused: bool = False,
) -> None:
    """One row for one request and category, in the transaction of what it records (H12.1)."""
    await session.execute(
        insert(LogRow).values(
            id=uuid4(),
            category=category,
            action=action,
            refused=refused,
            staff_id=staff_id,
            organisation=organisation,
            force_id=force_id,
            case_id=case_id,
            event_id=event_id,
            recipient=recipient,
            request_id=request_id,
        )
    )
