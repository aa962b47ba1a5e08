"""Requests for one's own data: no answer and no export may tell that an application exists (H12.3)."""

from pydantic import BaseModel, ConfigDict, Field

from app.settings import settings

NOT_TO_BE_RELEASED = (
    "OFFICIAL-SENSITIVE. Not to be released in answer to a subject access request "
    "(Data Protection Act 2018, section 45(4))"
)
"""Carried by whatever is read or taken out of the service."""


class SubjectAccessIn(BaseModel):
    """A request that is to be answered, by its number alone: no name is needed, so none is asked for and none kept."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    request_number: str = Field(pattern=r"^[A-Z]{0,8}[/-]?[0-9]{1,12}([/-][0-9]{1,12})?$", examples=["SAR/2026/1182"])


class SubjectAccessAnswer(BaseModel):
    """What whoever asked is answered, and nothing else."""

    model_config = ConfigDict(frozen=True)

    answer: str


def answer_to_subject() -> SubjectAccessAnswer:
    """The answer as far as this scheme goes, the same for everybody, whether anything is held or not.

    Nothing is looked up for it, so that no status, count or time can differ. What is held is weighed by whoever may
    search cases, and the weighing stays inside (DPA 2018 s. 45(4) and (6)).
    """
    return SubjectAccessAnswer(answer=settings().subject_access_answer)
