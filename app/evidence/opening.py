"""A record opened for a court: its receipt, and the secret of each of its envelopes."""

from uuid import UUID

from sqlalchemy import LargeBinary, bindparam, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import SQLModel

from app.evidence.checkpoints import receipt_of
from app.evidence.keys import key_ring
from app.evidence.notes import to_base64
from app.evidence.receipts import NotYetView, OpenedText, OpeningView
from app.evidence.sealed import KeyErased, sealed_columns, tell_unread
from app.evidence.sealing import DataKey, Place, SealBroken
from app.evidence.tables import CaseKey
from app.storage.base import columns_of, table_of
from app.storage.statements import row

_key = columns_of(CaseKey)
_WRAPPED = select(_key.wrapped).where(_key.case_id == bindparam("case_id"))


async def opening_of(session: AsyncSession, table: type[SQLModel], record: UUID) -> OpeningView | NotYetView:
    """What proves offline that the texts of one record of `table` are what was sealed; not before it is witnessed.

    Every envelope is opened first, in its own place: what was changed or brought from elsewhere gives no secret away.
    Raises SealBroken, KeyErased, KeyRefused, KeyServiceDown.
    """
    receipt = await receipt_of(session, record)
    if receipt is None:
        return NotYetView()
    columns, names = columns_of(table), sealed_columns(table)
    envelopes = [type_coerce(getattr(columns, name), LargeBinary).label(name) for name in names]
    found = await row(session, select(columns.case_id, *envelopes).where(columns.id == record))
    held = await row(session, _WRAPPED, case_id=found.case_id) if found else None
    if found is None or held is None:
        raise KeyErased
    key = await key_ring().data_key(found.case_id, held.wrapped)
    texts = []
    for name in names:
        envelope = getattr(found, name)
        if envelope is not None:
            secret = _secret(key, envelope, Place(found.case_id, record, f"{table_of(table).name}.{name}"))
            texts.append(OpenedText(column=name, envelope=to_base64(envelope), secret=to_base64(secret)))
    return OpeningView(receipt=receipt, texts=texts)


def _secret(key: DataKey, envelope: bytes, place: Place) -> bytes:
    try:
        return key.secret_of(envelope, place)
    except SealBroken as error:
        tell_unread(error, place)
        raise
