"""What a message says: the case's reference, the clock and the time, nothing else (H11). Pure but for the formats."""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

import rfc8785

from app.clock import in_london
from app.editions.terms import ClockKind, RungKind

CLOCK_WORDS = {
    ClockKind.INITIAL_CHECKS: "initial checks",
    ClockKind.FACE_TO_FACE: "face-to-face meeting",
    ClockKind.RISK_ASSESSMENT: "risk assessment",
    ClockKind.CATEGORISE_AND_REFER: "categorise and refer",
    ClockKind.WHOLE_CASE: "whole case",
}
_LEFT = re.compile(r"(\d+)([hd])")
_UNITS = {"h": "hour", "d": "working day"}


def state_words(rung: str) -> str:
    """A rung of the ladder as staff read it: 'due soon, 4 hours left', 'target missed', 'breached, reminder 3'."""
    kind = RungKind.of(rung)
    words, told = kind.state.replace("_", " "), rung.removeprefix(kind).removeprefix("-")
    if kind is RungKind.REMINDER:
        return f"{words}, reminder {told}"
    if left := _LEFT.fullmatch(told):
        number, unit = int(left[1]), _UNITS[left[2]]
        return f"{words}, {number} {unit}{'' if number == 1 else 's'} left"
    return words


def alert_mail(content: Mapping[str, Any]) -> tuple[str, str]:
    """Subject and text of one alert."""
    clock, state = CLOCK_WORDS[ClockKind(content["clock"])], state_words(content["rung"])
    due = in_london(datetime.fromisoformat(content["due_at"]))
    lines = (f"Case: {content['reference']}", f"Clock: {clock}", f"Due: {due}", f"State: {state}")
    return f"{content['reference']}: {clock}, {state}", "\n".join(lines) + "\n"


def digest_mail(content: Mapping[str, Any]) -> tuple[str, str]:
    """Subject and text of a day's digest: for each clock how many cases stand how, and their references."""
    groups: Sequence[Mapping[str, Any]] = content["groups"]
    lines = []
    for group in groups:
        clock = CLOCK_WORDS[ClockKind(group["clock"])]
        references = ", ".join(group["references"])
        lines.append(f"{clock}, {state_words(group['state'])}: {len(group['references'])} ({references})")
    cases = len({reference for group in groups for reference in group["references"]})
    subject = f"Alerts not acknowledged: {cases} case{'' if cases == 1 else 's'}"
    return subject, "\n".join(lines) + "\n"


def glass_mail(content: Mapping[str, Any]) -> tuple[str, str]:
    """Subject and text of the notice that somebody broke the glass over a case: neither who nor why stands in it."""
    until, force = in_london(datetime.fromisoformat(content["until"])), content.get("of_force")
    lines = [f"Case: {content['reference']}", "The glass was broken.", f"It holds until: {until}", "See your tasks."]
    if force is not None:
        # Whoever oversees the person who broke it sees neither the case nor a task about it.
        lines[1] = f"Somebody of your force broke the glass over this case of another force ({force})."
        lines[3] = "Professional standards of that force review it: ask them who it was, and why."
    return f"{content['reference']}: the glass was broken", "\n".join(lines) + "\n"


def envelope(subject: str, text: str, *, sender: str, to: str, idempotency_key: str, sent_at: datetime) -> EmailMessage:
    """The message as it travels. Its id comes from the idempotency key, so that a second copy is seen to be one."""
    mail = EmailMessage()
    mail["From"] = Address(addr_spec=sender)
    mail["To"] = Address(addr_spec=to)
    mail["Subject"] = subject
    mail["Date"] = format_datetime(sent_at)
    mail["Message-ID"] = f"<{idempotency_key}@{sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(text)
    return mail


def posted(content: Mapping[str, Any]) -> bytes:
    """The body of a webhook: canonical JSON (RFC 8785), the same bytes at every try."""
    return rfc8785.dumps(dict(content))


def signature(secrets: Sequence[bytes], *, timestamp: int, body: bytes) -> str:
    """`v1=` and the HMAC-SHA256 of `timestamp.body`, once for each secret that is valid now, comma between."""
    signed = str(timestamp).encode() + b"." + body
    return ",".join(f"v1={hmac.new(secret, signed, hashlib.sha256).hexdigest()}" for secret in secrets)
