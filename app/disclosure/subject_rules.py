"""What is wrong with words spoken to the subject: authority, hour, and the words settled beforehand (H2.7). Pure."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.errors import Obstacle


@dataclass(frozen=True)
class Authority:
    """What may permit words to the subject: representations considered (H5.5), or a decision of the forum (H6.3 (7)).

    `permits` is whether it lets the subject be spoken to at all. It is of one potential victim, or with None of the
    whole case, and holds from `since` until another took its place or it went back to the forum.
    """

    rule: str
    permits: bool
    words: str | None
    potential_victim_id: UUID | None
    since: datetime
    until: datetime | None = None


def wrong_with_words_to_subject(
    authority: Authority | None,
    *,
    potential_victim_id: UUID | None,
    words: str,
    occurred_at: datetime,
    names_applicant: bool,
    everybody_answered: bool,
) -> list[Obstacle]:
    """What a supervisor must see to (H2.7, H2.10); `names_applicant` is of the words spoken.

    `everybody_answered`: it had ended for every potential victim when the words were spoken.
    """
    found = []
    if names_applicant:
        says = "The words hold a name of the applicant: look at the risk to whoever asked at once."
        found.append(Obstacle("words_identify_applicant", says, "H2.7"))
    if authority is None:
        says = "The subject was spoken to and nothing is named that authorised it: look at the risk at once."
        return [*found, Obstacle("words_not_authorised", says, "H2.7")]
    if not authority.permits:
        says = "The subject was spoken to, though what is named decided against it: look at the risk at once."
        return [*found, Obstacle("words_decided_against", says, authority.rule)]
    if authority.rule == "H6.3" and not everybody_answered:
        says = "The subject was told before every potential victim was: look at each one's safety at once."
        found.append(Obstacle("subject_told_first", says, "H6.3"))
    if occurred_at < authority.since:
        says = "Spoken before what authorises the words was recorded: nobody had permitted them."
        found.append(Obstacle("spoken_before_authority", says, authority.rule))
    if authority.until is not None and occurred_at >= authority.until:
        says = "Spoken when what authorised the words stood no longer: look at the risk again."
        found.append(Obstacle("authority_had_ended", says, authority.rule))
    if authority.potential_victim_id not in (None, potential_victim_id):
        says = "What is named authorises words about another potential victim."
        found.append(Obstacle("authority_for_another", says, authority.rule))
    if _as_read(words) != _as_read(authority.words or ""):
        says = "The words spoken are not those settled beforehand: compare them, and look at what they give away."
        found.append(Obstacle("words_not_as_settled", says, "H2.7"))
    return found


def carried_out(authority: Authority, *, occurred_at: datetime) -> bool:
    """Whether the words answer what is owed to the authority: they were spoken while it stood."""
    return (
        authority.permits
        and authority.since <= occurred_at
        and (authority.until is None or occurred_at < authority.until)
    )


def _as_read(text: str) -> str:
    """Without what nobody hears: where lines break."""
    return " ".join(text.split())
