"""A key service over HTTP: the transit engine of HashiCorp Vault, or whatever answers as it does.

The key is a *derived* one (`derived=true`): each case's id is the context from which the engine derives the key that
wraps that case's data key, so that what was wrapped for one case is refused for another. The key-encryption keys never
leave the engine.
"""

import asyncio
import base64
import binascii
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol
from uuid import UUID

import httpx

from app.errors import ClaresLawError, Unavailable, Unreadable

_READ_AT_MOST = 64 * 1024
_TRIES = 2
_WAIT_BETWEEN = 0.1
_WRAPPED = re.compile(r"vault:v([1-9][0-9]{0,8}):[A-Za-z0-9+/=]+")


class KeyServiceDown(Unavailable):
    """The key service does not answer, or not in time."""

    code = "key_service_down"

    def __init__(self) -> None:
        super().__init__("The key service does not answer. Nothing was done; try again in a moment.")


class KeyRefused(Unreadable):
    """The key service answers and does not open the key of a case: another key, a version withdrawn, no permission."""

    code = "key_refused"

    def __init__(self) -> None:
        super().__init__(
            "The key of this case does not open: it was wrapped under a key-encryption key that the service has not. "
            "Nothing of the record is shown. Quote the request id to support."
        )


class KeyServiceMisused(ClaresLawError):
    """The key service is not what was asked for; the text says what to set right."""

    code: ClassVar[str] = "key_service_misused"


@dataclass(frozen=True)
class Wrapped:
    """A data key under a version of the key-encryption key."""

    key: bytes
    version: int


class KeyService(Protocol):
    """Wraps the data keys of cases. Each raises KeyServiceDown where nobody answers, KeyRefused where it will not."""

    async def newest(self) -> int:
        """The version that wraps now."""

    async def wrap(self, case_id: UUID, secret: bytes) -> Wrapped:
        """Wrap a new data key for its case."""

    async def unwrap(self, case_id: UUID, wrapped: bytes) -> bytes:
        """The data key that was wrapped for this case."""

    async def rewrap(self, case_id: UUID, wrapped: bytes) -> Wrapped:
        """The same data key under the newest version; the key itself need not be shown to anybody."""

    async def rotate(self) -> int:
        """Make a newer version of the key-encryption key; the older ones go on unwrapping."""

    async def withdraw_before(self, version: int) -> None:
        """Let no version older than this one unwrap any more."""


@dataclass
class Transit:
    """Over httpx: `address` of the server, `mount` of the engine, `key` by name, the token in a file of its own."""

    address: str
    key: str
    token_file: Path
    mount: str = "transit"
    namespace: str | None = None
    ca_file: Path | None = None
    timeout: float = 2.0
    """Seconds for one try, the look-up of the name and the last byte included."""
    _connected: tuple[asyncio.AbstractEventLoop, httpx.AsyncClient] | None = field(default=None, repr=False)

    async def newest(self) -> int:
        """Raises KeyServiceMisused where the key is none that is derived for each context."""
        found = await self._ask("GET", f"keys/{self.key}")
        if found.get("derived") is not True or found.get("supports_encryption") is not True:
            raise KeyServiceMisused(
                "The transit key must be one that encrypts and is derived for each context: "
                "create it with type=aes256-gcm96 derived=true."
            )
        try:
            return max(int(version) for version in found["keys"])
        except (KeyError, TypeError, ValueError):
            raise KeyServiceDown from None

    async def wrap(self, case_id: UUID, secret: bytes) -> Wrapped:
        """As the protocol says."""
        sent = {"plaintext": base64.b64encode(secret).decode(), "context": _context(case_id)}
        return _wrapped(await self._ask("POST", f"encrypt/{self.key}", sent))

    async def unwrap(self, case_id: UUID, wrapped: bytes) -> bytes:
        """As the protocol says."""
        sent = {"ciphertext": wrapped.decode("ascii", "replace"), "context": _context(case_id)}
        answer = await self._ask("POST", f"decrypt/{self.key}", sent)
        try:
            return base64.b64decode(answer["plaintext"], validate=True)
        except (KeyError, TypeError, binascii.Error):
            raise KeyServiceDown from None

    async def rewrap(self, case_id: UUID, wrapped: bytes) -> Wrapped:
        """As the protocol says; the engine shows nobody the key."""
        sent = {"ciphertext": wrapped.decode("ascii", "replace"), "context": _context(case_id)}
        return _wrapped(await self._ask("POST", f"rewrap/{self.key}", sent))

    async def rotate(self) -> int:
        """As the protocol says."""
        await self._ask("POST", f"keys/{self.key}/rotate", {}, tries=1)
        return await self.newest()

    async def withdraw_before(self, version: int) -> None:
        """As the protocol says."""
        await self._ask("POST", f"keys/{self.key}/config", {"min_decryption_version": version})

    async def _ask(
        self, method: str, path: str, sent: Mapping[str, Any] | None = None, *, tries: int = _TRIES
    ) -> Mapping[str, Any]:
        """One request, tried again once where nobody answered; what it says in `data`.

        A token that has run out and an engine that is sealed or not there are an outage: whoever runs it mends that.
        """
        for turn in range(tries):
            if turn:
                await asyncio.sleep(_WAIT_BETWEEN)
            try:
                async with asyncio.timeout(self.timeout):
                    status, answer = await self._send(method, path, sent)
            except (httpx.HTTPError, TimeoutError, OSError):
                continue
            if status == 400:  # what the engine says of a ciphertext, a context or a version that it will not open
                raise KeyRefused
            if status in (200, 204):
                return answer
        raise KeyServiceDown

    async def _send(self, method: str, path: str, sent: Mapping[str, Any] | None) -> tuple[int, Mapping[str, Any]]:
        url = f"{self.address.rstrip('/')}/v1/{self.mount}/{path}"
        async with self._client().stream(method, url, json=sent, headers=self._headers()) as answer:
            read = b""
            async for part in answer.aiter_bytes():
                read += part
                if len(read) > _READ_AT_MOST:
                    return 502, {}
        if answer.status_code != 200 or not read:
            return answer.status_code, {}
        try:
            data = httpx.Response(200, content=read).json()["data"]
        except (ValueError, KeyError, TypeError):
            return 502, {}
        return 200, data if isinstance(data, dict) else {}

    def _headers(self) -> dict[str, str]:
        # Read each time: whatever renews the token writes it anew.
        headers = {"X-Vault-Token": self.token_file.read_text().strip(), "X-Vault-Request": "true"}
        return headers | ({"X-Vault-Namespace": self.namespace} if self.namespace else {})

    def _client(self) -> httpx.AsyncClient:
        """The connections of the loop that asks: they serve no other."""
        loop = asyncio.get_running_loop()
        if self._connected is None or self._connected[0] is not loop:
            verify = ssl.create_default_context(cafile=str(self.ca_file) if self.ca_file else None)
            client = httpx.AsyncClient(follow_redirects=False, trust_env=False, timeout=self.timeout, verify=verify)
            self._connected = loop, client
        return self._connected[1]


def _context(case_id: UUID) -> str:
    return base64.b64encode(case_id.bytes).decode()


def _wrapped(answer: Mapping[str, Any]) -> Wrapped:
    found = _WRAPPED.fullmatch(str(answer.get("ciphertext", "")))
    if found is None:
        raise KeyServiceDown
    return Wrapped(found.group().encode("ascii"), int(found.group(1)))


@dataclass
class KeptKeys:
    """The fake: versions in memory, and `down` or `refusing` as a test says. It wraps by writing things down."""

    down: bool = False
    versions: int = 1
    withdrawn: int = 0
    asked: list[str] = field(default_factory=list)
    _kept: dict[bytes, tuple[UUID, bytes, int]] = field(default_factory=dict)

    async def newest(self) -> int:
        """As the protocol says."""
        self._answer("newest")
        return self.versions

    async def wrap(self, case_id: UUID, secret: bytes) -> Wrapped:
        """As the protocol says."""
        self._answer("wrap")
        name = f"kept:v{self.versions}:{len(self._kept)}".encode()
        self._kept[name] = (case_id, secret, self.versions)
        return Wrapped(name, self.versions)

    async def unwrap(self, case_id: UUID, wrapped: bytes) -> bytes:
        """As the protocol says."""
        self._answer("unwrap")
        whose, secret, version = self._kept.get(wrapped, (None, b"", 0))
        if whose != case_id or version < self.withdrawn:
            raise KeyRefused
        return secret

    async def rewrap(self, case_id: UUID, wrapped: bytes) -> Wrapped:
        """As the protocol says."""
        return await self.wrap(case_id, await self.unwrap(case_id, wrapped))

    async def rotate(self) -> int:
        """As the protocol says."""
        self._answer("rotate")
        self.versions += 1
        return self.versions

    async def withdraw_before(self, version: int) -> None:
        """As the protocol says."""
        self.withdrawn = version

    def _answer(self, to: str) -> None:
        self.asked.append(to)
        if self.down:
            raise KeyServiceDown
