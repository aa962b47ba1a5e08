"""How long a body may be: refused by what it says of itself, and counted while it is read, before anybody is known."""

from fastapi.exceptions import RequestValidationError
from starlette.types import Message, Receive, Scope

MAX_BODY_BYTES = 1_000_000
TOO_LONG = f"The body is longer than {MAX_BODY_BYTES} bytes."
_MOST_DIGITS = 18


def says_too_long(scope: Scope) -> bool:
    """Whether the request announces more than is taken; nothing of it is read then."""
    said = [value for name, value in scope["headers"] if name == b"content-length"]
    return any(len(one) > _MOST_DIGITS or (one.isdigit() and int(one) > MAX_BODY_BYTES) for one in said)


def counted(receive: Receive) -> Receive:
    """The same messages, as long as they come to no more than is taken. Raises RequestValidationError at the first
    that goes beyond, whoever reads: what a server holds of one request stays bounded.
    """
    taken = 0

    async def take() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > MAX_BODY_BYTES:
            raise RequestValidationError([{"loc": ("body",), "msg": TOO_LONG, "type": "too_long", "input": None}])
        return message

    return take
