"""Stage 7: items, clearance, the verbatim record, notices, postponement, non-completion."""

from typing import Annotated

from fastapi import APIRouter, Path

from app.access.rules import Permission
from app.cases.schemas import Receipt, Recorded
from app.disclosure import clearance, deliveries, items, notices, service
from app.disclosure.schemas import (
    AgreementIn,
    AgreementView,
    ClearanceIn,
    ClearanceView,
    DisclosureIn,
    DisclosureView,
    ItemIn,
    ItemView,
    NonCompletionIn,
    NonCompletionView,
    NoticeIn,
    NoticeView,
    PostponementEndIn,
    PostponementIn,
    PostponementView,
    SpentAuthorisationIn,
    SpentAuthorisationView,
    VerbatimView,
)
from app.disclosure.tables import (
    DeliveryClearance,
    Disclosure,
    ItemAgreement,
    NonCompletion,
    NonDisclosureNotice,
    SpentAuthorisation,
)
from app.doors import CaseDoor, decides, reads, records
from app.routes.errors import ERRORS_OF_ACT, ERRORS_OF_CASE, ERRORS_OF_DECISION
from app.routes.reading import StrictRoute
