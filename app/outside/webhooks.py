"""Posting to the systems that a force has named. The address is checked and then held to: no redirect, no rebinding.

A webhook's address is typed by an administrator and fetched by the service from inside its network, so it must not
become a way to reach that network (server-side request forgery). In production the scheme is https, every address that
the host's name resolves to must be a public one, and the connection goes to an address that was checked, while the
certificate is verified for the name.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol
from urllib.parse import urlsplit

import httpx

from app.errors import ClaresLawError

_READ_AT_MOST = 64 * 1024  # bytes of an answer, of which nothing is used


class AddressRefused(ClaresLawError):
    """The address is none that the service will post to; the text says why and never repeats it."""

    code: ClassVar[str] = "address_refused"


class WebhookNotTaken(ClaresLawError):
    """The receiver answered, and not with a status of the 200s."""

    code: ClassVar[str] = "webhook_not_taken"


class AnswerTooLong(ClaresLawError):
    """The receiver's answer had no end in sight."""

    code: ClassVar[str] = "answer_too_long"


class WebhookSender(Protocol):
    """Posts one body, or raises: then nobody knows whether it was taken."""

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Return once the receiver has answered with a status of the 200s, to the end of its answer."""


@dataclass(frozen=True)
class _Target:
    """Where to connect and which name to ask and verify there."""

    url: httpx.URL
    host: str


class HttpWebhooks:
    """Over httpx. `private` lets http and addresses of the own network pass: for a demonstration and for tests."""

    def __init__(self, *, timeout: float, private: bool, ca_file: Path | None = None) -> None:
        """`timeout` is in seconds, from the first look-up to the last byte.

        Certificates must verify by the authorities in `ca_file`, else by the public ones; the environment has no say.
        """
        self._timeout, self._private = timeout, private
        own = ssl.create_default_context(cafile=ca_file) if ca_file else None
        self._trust = own or httpx.create_ssl_context(trust_env=False)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Post once. Raises AddressRefused, WebhookNotTaken, AnswerTooLong, TimeoutError, httpx.TransportError."""
        async with asyncio.timeout(self._timeout):
            target = await self._checked(url)
            async with (
                httpx.AsyncClient(
                    follow_redirects=False, trust_env=False, timeout=self._timeout, verify=self._trust
                ) as http,
                http.stream(
                    "POST",
                    target.url,
                    content=body,
                    headers={**headers, "Host": target.host, "Content-Type": "application/json"},
                    extensions={"sni_hostname": urlsplit(url).hostname},
                ) as answer,
            ):
                if not answer.is_success:
                    raise WebhookNotTaken(f"The receiver answered {answer.status_code}.")
                read = 0
                async for part in answer.aiter_raw():
                    read += len(part)
                    if read > _READ_AT_MOST:
                        raise AnswerTooLong("The receiver's answer is longer than what is read of one.")

    async def _checked(self, url: str) -> _Target:
        parts = urlsplit(url)
        if parts.hostname is None or parts.scheme not in ("http", "https"):
            raise AddressRefused("A webhook's address begins with https:// and names a host.")
        if parts.scheme != "https" and not self._private:
            raise AddressRefused("A webhook's address begins with https://.")
        found = await asyncio.get_running_loop().getaddrinfo(
            parts.hostname, parts.port or (443 if parts.scheme == "https" else 80), type=socket.SOCK_STREAM
        )
        addresses = [str(one[4][0]) for one in found]
        if not self._private and not all(is_public(one) for one in addresses):
            raise AddressRefused("The host's name leads to an address that is not a public one.")
        return _Target(httpx.URL(url).copy_with(host=addresses[0]), httpx.URL(url).netloc.decode("ascii"))


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet: not private, loopback, link-local, reserved, multicast.

    An IPv4 address inside an IPv6 one (mapped, 6to4, Teredo, NAT64) is judged as what it leads to.
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if inner is None and found in _NAT64:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        if found not in _GIVEN_OUT:
            return False
    elif found in _RELAYS:
        return False
    return found.is_global and not found.is_multicast and not found.is_reserved


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_GIVEN_OUT = ipaddress.IPv6Network("2000::/3")
"""All that is given out as global unicast (RFC 4291): site-local addresses are outside of it."""
_RELAYS = ipaddress.IPv4Network("192.88.99.0/24")
"""Led to the nearest 6to4 relay, which may be one's own; withdrawn (RFC 7526)."""


@dataclass
class KeptWebhooks:
    """The fake: keeps what it was given, after raising `failures` in turn."""

    posted: list[tuple[str, bytes, dict[str, str]]] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Keep the post."""
        if self.failures:
            raise self.failures.pop(0)
        self.posted.append((url, body, dict(headers)))
