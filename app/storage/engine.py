"""Engines and sessions, and the context that row-level security reads.

One login never does two jobs: the API, the worker and the migrations each take their own database role, none of
them a superuser and none able to bypass row-level security.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import Session


class DatabaseRole(StrEnum):
    """Roles made once by `clares-law migrate --bootstrap`."""

    OWNER = "clares_law_owner"
    APP = "clares_law_app"
    WORKER = "clares_law_worker"
    AUDITOR = "clares_law_auditor"
    SEARCH = "clares_law_search"


_LOOKS_IN = "public,pg_temp"


def as_role(url: str, role: DatabaseRole, *, lock_timeout: float | None = None) -> str:
    """The same database, every connection of which acts as `role` (the login must be a member of it).

    Whoever waits `lock_timeout` seconds for a lock is told that the database is busy; for None, it waits on. Names are
    looked up in `public` alone: by PostgreSQL's default a schema named as the role comes first, and whoever may create
    one there would show the auditor other records than the service has, or take the log aside.
    """
    waits = "" if lock_timeout is None else f" -c lock_timeout={round(lock_timeout * 1000)}"
    return (
        make_url(url)
        .set(drivername="postgresql+psycopg")
        .update_query_dict({"options": f"-c role={role.value} -c timezone=UTC -c search_path={_LOOKS_IN}{waits}"})
        .render_as_string(hide_password=False)
    )


def engine_for(
    url: str, role: DatabaseRole, *, pool_size: int = 20, pool_timeout: float = 3.0, lock_timeout: float | None = None
) -> AsyncEngine:
    """An engine whose pool waits `pool_timeout` seconds and then fails, so that a caller is told to come back."""
    return create_async_engine(
        as_role(url, role, lock_timeout=lock_timeout),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=pool_timeout,
        hide_parameters=True,  # an error text would carry what people typed
        connect_args={"prepare_threshold": 3},
    )


def sessions(engine: AsyncEngine) -> async_sessionmaker[AsyncSession]:
    """Sessions that never commit by themselves and keep what they loaded."""
    return async_sessionmaker(engine, expire_on_commit=False)


_GIVEN = "context"
_SETTINGS = (
    "set_config('app.force_id', :force_id, true), "
    "set_config('app.agenda', (CAST(:agenda AS uuid[]) || CAST(:before AS uuid[]) || seen.glass)::text, true), "
    "set_config('app.national', :national, true), set_config('app.staff_id', :owner, true), "
    "set_config('app.sees', :sees, true), set_config('app.asks', :asks, true), "
    "set_config('app.glass', seen.glass::text, true), seen.glass, seen.glass_until, "
    "set_config('app.withheld_by_name', coalesce(seen.withheld::text, ''), true), "
    "set_config('app.withheld', coalesce((seen.withheld || seen.not_sampled)::text, ''), true)"
)
_SEEN = (
    "FROM seen_by(CAST(:staff_id AS uuid), :withheld_in, CAST(:agenda AS uuid[]), CAST(:sees_restricted AS boolean), "
    ":national = 'on', CAST(:breaks AS uuid[]), CAST(:roles AS text[])) AS seen"
)
_CONTEXT = text(f"SELECT {_SETTINGS} {_SEEN}")
_AGAIN = text(
    f"SELECT {_SETTINGS}, "
    f"coalesce(CAST(:case_id AS uuid) <> ALL (seen.withheld || seen.not_sampled), false) AS shows {_SEEN}"
)


async def set_context(
    session: AsyncSession,
    *,
    force_id: str | None,
    withheld_in: str | None = None,
    agenda: Iterable[UUID] = (),
    before: Iterable[UUID] = (),
    breaks: Iterable[UUID] = (),
    national: bool = False,
    staff_id: UUID | None = None,
    own_actions: bool = False,
    sees_restricted: bool = False,
    sees: Iterable[str] = (),
    roles: Iterable[str] | None = None,
) -> dict[UUID, datetime]:
    """Whose rows this transaction may touch: those of one force, plus cases on an agenda, plus closing reports of all.

    Less what is withheld from `staff_id`: restricted cases that do not allow that person, and every case that excludes
    the person (H2.8), as somebody of the force `withheld_in` (that of `force_id`, where it is left out); for nobody
    named, every restricted case. A case of the `agenda` is seen although it is restricted, one that stands `before` the
    person only if it is not. Plus what the person sees through a broken glass, or through that which `breaks` now:
    read, and written no further than to make safe. With `own_actions` it also reads what that person was given to do
    by the forum, whatever became of the case (H6.2). Of people it reads what `sees` names and no more: with nothing
    named, neither who applied nor how anybody is reached (H2.7). With `roles` the account counts as having no others,
    and of these what it has. An auditor's open cases are withheld too, but not what the log says of them. A transaction
    without this context reaches nothing.

    Local to the transaction: at session level it leaked into other requests when one was cancelled.

    The cases seen through a broken glass alone, each with the real time at which that ends.
    """
    session.info[_GIVEN] = {
        "force_id": force_id or "",
        "withheld_in": withheld_in or force_id or "",
        "agenda": _array(agenda),
        "before": _array(before),
        "breaks": _array(breaks),
        "national": "on" if national else "",
        "owner": str(staff_id or "") if own_actions else "",
        "staff_id": staff_id,
        "asks": str(staff_id or ""),
        "sees_restricted": sees_restricted,
        "sees": _listed(sees),
        "roles": None if roles is None else _array(roles),
    }
    seen = (await session.execute(_CONTEXT, session.info[_GIVEN])).one()
    return dict(zip(seen.glass, seen.glass_until, strict=True))


def _array(ids: Iterable[UUID | str]) -> str:
    return "{" + ",".join(str(one) for one in ids) + "}"


_SEES = text("SELECT set_config('app.sees', :sees, true)")


async def see(session: AsyncSession, sees: Iterable[str]) -> frozenset[str]:
    """Let the rest of this transaction read of people what `sees` names (H2.7); what it read before is given.

    Nothing is sent where that is so already, nor for a transaction without a context: the worker has none.
    """
    given = session.info.get(_GIVEN)
    before = frozenset(given["sees"].split(",")) if given else frozenset()
    if given and given["sees"] != (listed := _listed(sees)):
        given["sees"] = listed
        await session.execute(_SEES, {"sees": listed})
    return before


def _listed(sees: Iterable[str]) -> str:
    return ",".join(sorted(sees))


def has_context(session: AsyncSession | Session) -> bool:
    """Whether the session acts for somebody; the worker's does not."""
    return _GIVEN in session.info


async def renew_context(
    session: AsyncSession,
    case_id: UUID,
    *,
    agenda: Iterable[UUID],
    before: Iterable[UUID],
    sees_restricted: bool,
    roles: Iterable[str],
) -> dict[UUID, datetime] | None:
    """Set the context anew for whoever waited for a lock, as it was given but for what is named here.

    None where the case is withheld by now; else the cases that are seen through a broken glass, as `set_context` has
    them.
    """
    session.info[_GIVEN] |= {
        "agenda": _array(agenda),
        "before": _array(before),
        "sees_restricted": sees_restricted,
        "roles": _array(roles),
    }
    seen = (await session.execute(_AGAIN, session.info[_GIVEN] | {"case_id": case_id})).one()
    return dict(zip(seen.glass, seen.glass_until, strict=True)) if seen.shows else None


async def withheld_by_now(session: AsyncSession, case_id: UUID) -> bool:
    """Whether a case has come to be withheld since the context was set: whoever waited for a lock asks again.

    The context is set anew, as it was given. False for a transaction without one: the worker has none.
    """
    if not has_context(session):
        return False
    return not (await session.execute(_AGAIN, session.info[_GIVEN] | {"case_id": case_id})).one().shows
