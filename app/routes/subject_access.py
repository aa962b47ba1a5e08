"""Answering requests for one's own data without telling whether there is an application (H12.3)."""

from typing import Annotated

from fastapi import APIRouter

from app.access.rules import Permission
from app.access.subject_access import SubjectAccessAnswer, SubjectAccessIn, answer_to_subject
from app.doors import Door, requires
from app.evidence.terms import Category
from app.routes.errors import ERRORS
from app.routes.reading import StrictRoute

router = APIRouter(prefix="/v1/subject-access", tags=["subject access"], route_class=StrictRoute)


@router.post("", status_code=200, responses=ERRORS)
async def answer_subject_access(
    body: SubjectAccessIn, door: Annotated[Door, requires(Permission.ANSWER_SUBJECT_ACCESS)]
) -> SubjectAccessAnswer:
    """The one answer to whoever asks what is held of them here: the same for everybody, and logged."""
    await door.log(Category.CONSULTATION)
    return answer_to_subject()
