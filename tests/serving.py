"""The service of a world on a port of this machine, as a server serves it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import uvicorn

from tests.world import World

PATIENCE = 30.0
"""Seconds that something may take before a test gives it up."""


async def until(done: Callable[[], bool]) -> None:
    """Wait for it, not for ever."""
    async with asyncio.timeout(PATIENCE):
        while True:
            if done():
                return
            await asyncio.sleep(0.02)


@asynccontextmanager
async def served(world: World) -> AsyncIterator[int]:
    """The port that the service answers on."""
    assert world.api is not None
    config = uvicorn.Config(
        world.api, port=0, lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await serving
