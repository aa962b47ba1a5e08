"""Reading JSON strictly: what a database or a canonical form could not keep is a clear 422, never a crash."""

import json
from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from app.access.masking import masked
from app.access.subject_access import NOT_TO_BE_RELEASED
from app.doors import Door

MAX_DEPTH = 32
MAX_INTEGER = 2**53 - 1  # what canonical JSON (RFC 8785) keeps exactly


class StrictRequest(Request):
    """A request whose JSON has no duplicate keys, no NaN, no lone surrogates, no NUL, no number beyond 2^53."""

    async def json(self) -> Any:
        if not hasattr(self, "_strict"):
            raw = await self.body()
            try:
                parsed = json.loads(raw.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant)
            except UnicodeDecodeError:
                raise _misfit("The body is not UTF-8.") from None
            except json.JSONDecodeError as error:
                raise _misfit(f"The body is not JSON: {error.msg} at character {error.pos}.") from None
            except RecursionError:
                raise _misfit("The body is nested too deeply.") from None
            except ValueError as error:
                raise _misfit(str(error)) from None
            _check(parsed)
            self._strict = parsed
        return self._strict


class StrictRoute(APIRoute):
    """A route that reads its body strictly, knows every query parameter, and blanks what the reader may not see."""

    def __init__(self, path: str, endpoint: Callable[..., Awaitable[Any]], **more: Any) -> None:
        super().__init__(path, _as_the_reader_sees(endpoint), **more)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        known = _query_parameters(self.dependant)

        async def strictly(request: Request) -> Response:
            if not set(request.query_params) <= known:
                takes = ", ".join(sorted(known)) or "none"
                raise _misfit(f"A query parameter is not one of this list's: {takes}.", "query")
            strict = StrictRequest(request.scope, request.receive)
            if await strict.body():
                await strict.json()  # here, because the framework answers 400 to whatever its own reading raises
            return await handle(strict)

        return strictly


def _as_the_reader_sees(endpoint: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """The handler with its answer marked (H12.3) and masked for whoever came in (H2.7); without a door, as it is."""
    if getattr(endpoint, "masks", False):
        return endpoint  # a router that includes another makes its routes anew

    @wraps(endpoint)
    async def answer(**given: Any) -> Any:
        shown = await endpoint(**given)
        door = next((one for one in given.values() if isinstance(one, Door)), None)
        if door is None:
            return shown
        door.response.headers["X-Handling"] = NOT_TO_BE_RELEASED
        return masked(shown, door.actor.sees)

    answer.masks = True  # type: ignore[attr-defined]  # a function may carry attributes, its type knows none
    return answer


def _misfit(says: str, *place: str | int) -> RequestValidationError:
    return RequestValidationError([{"loc": place or ("body",), "msg": says, "type": "json", "input": None}])


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError("A key stands twice in one object.")
        found[key] = value
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number.")


def _check(value: Any, *place: str | int) -> None:
    """Refuse what a database or a canonical form could not keep, naming the field that holds it."""
    if len(place) > MAX_DEPTH:
        raise _misfit(f"The body is nested more than {MAX_DEPTH} deep.")
    match value:
        case str():
            if says := _unkeepable(value):
                raise _misfit(says, "body", *place)
        case bool():
            return
        case int() | float() if abs(value) > MAX_INTEGER:  # a whole float becomes an integer wherever one is read
            raise _misfit("A number is out of range.", "body", *place)
        case dict():
            for key, item in value.items():
                if says := _unkeepable(key):
                    raise _misfit(f"A key is none. {says}", "body", *place)
                _check(item, *place, key)
        case list():
            for number, item in enumerate(value):
                _check(item, *place, number)


def _unkeepable(text: str) -> str | None:
    if "\0" in text:
        return "A text holds a NUL byte."
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        return "A text holds half of a surrogate pair."
    return None


def _query_parameters(dependant: Dependant) -> set[str]:
    """The query parameters of a route and of all that it depends on."""
    own = {parameter.alias for parameter in dependant.query_params}
    return own.union(*(_query_parameters(one) for one in dependant.dependencies))
