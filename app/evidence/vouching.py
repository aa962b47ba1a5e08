"""What the service vouches for of a case's key: that the row which holds it is as the service wrote it.

Whoever writes to the database can exchange a public half, and would read what is sealed to it. So each row of
`case_key` carries an HMAC under a secret that stands beside the service and in no database.
"""

import hmac
from uuid import UUID

from app.settings import settings
from app.storage.keyfile import service_key

_PURPOSE = b"clares-law keys of cases"


def voucher(case_id: UUID, public_half: bytes, wrapped: bytes) -> bytes:
    """The HMAC-SHA256 over the case, its public half and its wrapped key; the first two are of fixed length.

    Raises NoSecretsKey, which a process that serves or works met when it started.
    """
    key = hmac.digest(service_key(settings()), _PURPOSE, "sha256")
    return hmac.digest(key, case_id.bytes + public_half + wrapped, "sha256")


def is_vouched_for(case_id: UUID, public_half: bytes, wrapped: bytes, vouched: bytes) -> bool:
    """Whether the service wrote this row of `case_key`, public half and wrapped key together."""
    return hmac.compare_digest(vouched, voucher(case_id, public_half, wrapped))
