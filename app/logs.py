"""Log lines as JSON, each with the request id, none with a name, an address or a narrative."""

import logging

import structlog
from structlog.typing import Processor

_PROCESSORS: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso"),
    structlog.processors.JSONRenderer(),
]
"""One list for good: a logger that was used keeps the one that it was made with."""


def configure(level: str) -> None:
    """One form of line for the service, its libraries and the server that carries it."""
    logging.basicConfig(level=level, format="%(message)s", force=True)
    for noisy in ("uvicorn.access", "httpx"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # It warns at every turn that finds the work of the last one still in hand, which is as it should be.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    structlog.configure(
        processors=_PROCESSORS,
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        cache_logger_on_first_use=True,
    )
