"""What every front door shares: the session, the moment, the person, the permission, the case.

A handler names its permission in its signature and gets a `Door` or a `CaseDoor`. Acts go through `record`,
decisions through `decide`: the first are facts and are never refused for a rule of the scheme, the second are
permissions and must say which version of the case they were made on. Services never commit; the session does,
once, before the answer is sent.
"""

from app.doors.door import CaseDoor, CaseService, Door
from app.doors.entering import SessionDep, reader_of
from app.doors.requirements import creates, decides, looks, reads, records, requires

__all__ = [
    "CaseDoor",
    "CaseService",
    "Door",
    "SessionDep",
    "creates",
    "decides",
    "looks",
    "reader_of",
    "reads",
    "records",
    "requires",
]
