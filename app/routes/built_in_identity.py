"""The demonstration's identity provider over HTTP: discovery, keys, a page to choose who one is, tokens.

No part of the service's contract, and not there in production: `app/main.py` adds it in the demonstration alone.
"""

from collections.abc import Mapping
from html import escape
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from app import clock
from app.access.built_in import AskedWrongly, BuiltInProvider, Person, people
from app.doors import SessionDep

router = APIRouter(prefix="/identity", include_in_schema=False)

_MOST_BYTES = 64 * 1024
_PAGE_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"}


def _provider(request: Request) -> BuiltInProvider:
    found: BuiltInProvider = request.app.state.built_in
    return found


@router.get("/.well-known/openid-configuration")
async def discover(request: Request) -> JSONResponse:
    """What the provider says of itself."""
    return JSONResponse(_provider(request).metadata())


@router.get("/jwks")
async def publish_keys(request: Request) -> JSONResponse:
    """The public keys."""
    return JSONResponse(_provider(request).issuer.jwks())


@router.get("/authorize")
async def choose(request: Request, db: SessionDep) -> Response:
    """A page with everybody whom one can be; a click goes back to the client."""
    provider, asked = _provider(request), dict(request.query_params)
    chosen = asked.pop("as", None)
    try:
        authorization = provider.authorization(asked)
    except AskedWrongly as wrong:
        return _page("This cannot be asked", f"<p>{escape(str(wrong))}</p>", 400)
    everybody = await people(db)
    for one in everybody:
        if one.subject == chosen:
            return RedirectResponse(provider.sign_in(authorization, one, now=clock.real_now()), 303)
    choices = "".join(_choice(asked, one) for one in everybody)
    return _page(
        "Who are you?", f"<p>Demonstration: everybody is fictional, nobody has a password.</p><ul>{choices}</ul>"
    )


@router.post("/token")
async def give_tokens(request: Request) -> JSONResponse:
    """The token endpoint (RFC 6749, 3.2)."""
    raw = await request.body()
    try:
        if len(raw) > _MOST_BYTES:
            raise AskedWrongly("invalid_request", "The form is too long.")
        fields = parse_qsl(raw.decode("ascii"), keep_blank_values=True, max_num_fields=50)
        if len(dict(fields)) != len(fields):
            raise AskedWrongly("invalid_request", "A parameter stands twice.")
        authorization = request.headers.get("Authorization")
        return JSONResponse(_provider(request).tokens(dict(fields), authorization, now=clock.real_now()))
    except AskedWrongly as wrong:
        unknown = wrong.code == "invalid_client"
        headers = {"WWW-Authenticate": "Basic"} if unknown else None
        said = {"error": wrong.code, "error_description": str(wrong)}
        return JSONResponse(said, 401 if unknown else 400, headers=headers)
    except ValueError:
        return JSONResponse({"error": "invalid_request", "error_description": "Send a form."}, 400)


def _choice(asked: Mapping[str, str], one: Person) -> str:
    roles = ", ".join(role.replace("_", " ") for role in one.roles)
    address = escape(urlencode({**asked, "as": one.subject}))
    return f'<li><a href="?{address}">{escape(one.name)}</a> ({escape(roles)})</li>'


def _page(title: str, body: str, status: int = 200) -> HTMLResponse:
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
    style = "<style>body{font:1.1em sans-serif;max-width:40em;margin:3em auto}li{margin:.5em}</style>"
    return HTMLResponse(f"{head}{style}<h1>{escape(title)}</h1>{body}", status, headers=_PAGE_HEADERS)
