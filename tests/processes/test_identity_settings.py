"""What the settings of identity refuse: a provider that anybody could be, or one that is only half named."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from starlette.routing import NoMatchFound

from app.access.demonstration import BROWSER, SYSTEM, open_issuer, publish, secret_of
from app.doors.provided import built_in_of, identity_of
from app.main import create_app
from app.settings import Settings
from app.settings import settings as service_settings

PRODUCTION: dict[str, Any] = {
    "environment": "production",
    "transit_url": "https://vault.example:8200",
    "transit_token_file": "/nowhere/token",
    "database_url": "postgresql://nobody@/nowhere",
    "token_issuer": "https://issuer.example",
    "token_audience": "clares-law",
}
SIGN_IN: dict[str, Any] = {"sign_in_client_id": BROWSER, "public_url": "https://dvds.example"}


@pytest.fixture(autouse=True)
def nothing_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"CLARES_LAW_{name.upper()}", raising=False)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (PRODUCTION | SIGN_IN | {"built_in_identity": True}, "BUILT_IN_IDENTITY"),
        (PRODUCTION | {"token_issuer": "http://issuer.example"}, "TOKEN_ISSUER"),
        (PRODUCTION | {"token_issuer": "http://127.0.0.1:8000"}, "TOKEN_ISSUER"),
        (PRODUCTION | SIGN_IN | {"public_url": "http://127.0.0.1:8000"}, "PUBLIC_URL"),
        (PRODUCTION | {"sign_in_client_id": "x"}, "PUBLIC_URL"),
        ({"token_issuer": "http://issuer.example"}, "TOKEN_ISSUER"),
        (SIGN_IN, "TOKEN_ISSUER"),
        ({"built_in_identity": True}, "SIGN_IN_CLIENT_ID"),
        (PRODUCTION | SIGN_IN | {"sign_in_scopes": "profile"}, "openid"),
        (PRODUCTION | SIGN_IN | {"public_url": "https://dvds.example/"}, "public_url"),
        (PRODUCTION | {"session_idle_minutes": 0}, "session_idle_minutes"),
        (PRODUCTION | SIGN_IN | {"token_audience": BROWSER}, "TOKEN_AUDIENCE"),
        (PRODUCTION | {"session_hours": 25}, "session_hours"),
        (PRODUCTION | {"step_up_minutes": 61}, "step_up_minutes"),
    ],
)
def test_settings_that_would_let_the_wrong_in_are_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Settings(**given)


def test_production_needs_no_key_file_and_asks_for_a_sign_in_of_the_last_ten_minutes() -> None:
    chosen = Settings(**PRODUCTION, **SIGN_IN)
    found = identity_of(chosen)
    assert found.sign_in is not None
    assert found.admission.step_up.total_seconds() == 600
    assert (found.admission.limits.idle.total_seconds(), found.admission.limits.absolute.total_seconds()) == (
        900,
        28800,
    )
    assert built_in_of(chosen) is None


def test_a_map_that_leads_to_no_role_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="CLAIM_ROLE_MAP"):
        identity_of(Settings(**PRODUCTION, claim_role_map={"Officers": "officer"}))
    empty = tmp_path / "empty.secret"
    empty.write_text("\n")
    with pytest.raises(ValueError, match="holds no secret"):
        identity_of(Settings(**PRODUCTION, **SIGN_IN, sign_in_client_secret_file=empty))


@pytest.mark.parametrize("served", [True, False])
def test_the_built_in_providers_routes_are_there_where_the_settings_say_so_and_nowhere_else(
    served: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if served:
        monkeypatch.setenv("CLARES_LAW_BUILT_IN_IDENTITY", "true")
        monkeypatch.setenv("CLARES_LAW_SIGN_IN_CLIENT_ID", BROWSER)
        monkeypatch.setenv("CLARES_LAW_PUBLIC_URL", "http://127.0.0.1:8000")
        monkeypatch.setenv("CLARES_LAW_TOKEN_ISSUER", "http://127.0.0.1:8000/identity")
    service_settings.cache_clear()
    try:
        app = create_app()
    finally:
        service_settings.cache_clear()
    for name in ("discover", "publish_keys", "choose", "give_tokens"):
        if served:
            assert app.url_path_for(name).startswith("/identity/")
        else:
            with pytest.raises(NoMatchFound):
                app.url_path_for(name)
    assert not any(path.startswith("/identity") for path in app.openapi()["paths"]), "no part of the contract"


def test_the_issuer_keeps_the_name_that_it_was_published_with(tmp_path: Path) -> None:
    assert open_issuer(tmp_path).issuer == "https://demonstration.invalid"
    publish(open_issuer(tmp_path, "http://127.0.0.1:8001/identity"), tmp_path)
    assert open_issuer(tmp_path).issuer == "http://127.0.0.1:8001/identity", "for tokens made by hand"


def test_a_clients_secret_is_made_once_and_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = secret_of(SYSTEM, tmp_path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(path.read_text()) == 43
    assert secret_of(SYSTEM, tmp_path).read_text() == path.read_text()
