"""Connections looked at each time they go back to their pool: nothing of a request may be left on one.

`python -m tests.faults.probed serve` is `clares-law serve` with that look; what it finds goes to the file that `PROBED`
names, a line for each: empty where the connection was clean.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from psycopg.pq import TransactionStatus
from sqlalchemy import event
from sqlalchemy.pool import Pool

_ROOT = Path(__file__).resolve().parents[2]
_SETTING = re.compile(r"'(app\.[a-z_]+)'")


def settings_in_use() -> list[str]:
    """Every setting of a transaction that the service or a migration names; PostgreSQL itself lists none of them."""
    sources = [*(_ROOT / "app").rglob("*.py"), *(_ROOT / "migrations").rglob("*.py")]
    return sorted({name for source in sources for name in _SETTING.findall(source.read_text())})


def looking(tell: Callable[[str], object]) -> Callable[[Any, Any], None]:
    """A look at one connection that goes back, for a pool's `checkin`; tells what is left on it, '' where nothing.

    It waits for nothing, since what is waited for can be cut off: the library beneath the driver asks at once.
    """
    names = settings_in_use()
    query = "SELECT " + ", ".join(f"current_setting('{name}', true)" for name in names)

    def look(connection: Any, _: Any) -> None:
        if connection is None:  # it was closed: nothing can be left on it
            return
        beneath = connection.driver_connection.pgconn
        if beneath.transaction_status != TransactionStatus.IDLE:
            tell(f"transaction {TransactionStatus(beneath.transaction_status).name}")
            return
        answer = beneath.exec_(query.encode())
        left = {name: answer.get_value(0, place) for place, name in enumerate(names)}
        tell(" ".join(f"{name}={value.decode()}" for name, value in left.items() if value))

    return look


def main() -> None:
    """The command line of the service, every pool looked at."""
    from app.cli import app as command

    found = os.open(os.environ["PROBED"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    event.listen(Pool, "checkin", looking(lambda line: os.write(found, f"{line}\n".encode())))
    command()


if __name__ == "__main__":
    main()
