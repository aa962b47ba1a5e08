"""What the service sends to the database for each of some requests: heard in a process of its own.

Run with the service's environment, a file with a JSON list of [method, path, headers, body], and a file to answer in.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import event
from sqlalchemy.engine import Engine

from app.main import create_app


async def listen(requests: list[Any]) -> list[list[str]]:
    """The statements of each request, in order."""
    sent: list[str] = []

    @event.listens_for(Engine, "before_cursor_execute")
    def heard(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        sent.append(statement)

    app = create_app()
    transport = httpx.ASGITransport(app)
    found = []
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://bench") as http,
    ):
        for method, path, headers, body in requests:
            sent.clear()
            (await http.request(method, path, headers=headers, content=body)).raise_for_status()
            found.append(list(sent))
    return found


if __name__ == "__main__":
    asked, answered = Path(sys.argv[1]), Path(sys.argv[2])
    answered.write_text(json.dumps(asyncio.run(listen(json.loads(asked.read_text())))))
