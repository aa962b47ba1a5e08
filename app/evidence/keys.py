"""Who wraps the keys of cases, and the keys that this process has been shown lately.

By settings: a transit engine (production), or a file that only its owner may read (the demonstration).
"""

import asyncio
import fcntl
import os
import re
import secrets
import stat
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import ClassVar
from uuid import UUID

from app.errors import ClaresLawError
from app.evidence.sealing import KEY_BYTES, DataKey, SealBroken, open_bytes, seal_bytes
from app.outside.transit import KeyRefused, KeyService, KeyServiceDown, Transit, Wrapped
from app.settings import Settings, settings
from app.storage.keyfile import make_once, put_private

__all__ = [
    "FileKeys",
    "KeyFileRefused",
    "KeyRefused",
    "KeyRing",
    "KeyService",
    "KeyServiceDown",
    "NoSuchVersion",
    "Wrapped",
    "key_ring",
    "version_of",
]

_PURPOSE = b"clares-law key of a case"
_WRAPPED = re.compile(rb"file:v([1-9][0-9]{0,8}):", re.DOTALL)
_SAYS_VERSION = re.compile(rb"[a-z]+:v([1-9][0-9]{0,8}):")
_LINE = re.compile(r"([1-9][0-9]{0,8}) ([0-9a-f]{64})")
_REMEMBERED = 1000
"""Keys of cases in memory at most; the one asked for longest ago goes first."""
_REST = 1.0
"""Seconds for which a key service that did not answer is not asked again: requests do not queue up before it."""
_AT_ONCE = 8
_DEMONSTRATION_FILE = "case-keys"


class KeyFileRefused(ClaresLawError):
    """The file with the key-encryption keys cannot be used; the text says what to do and shows nothing of it."""

    code: ClassVar[str] = "key_file_refused"


class NoSuchVersion(ClaresLawError):
    """There is no such version of the key-encryption key: with all before it withdrawn, none would be left."""

    code: ClassVar[str] = "no_such_version"

    def __init__(self, newest: int) -> None:
        super().__init__(f"The newest version is {newest}: no later one goes on unwrapping. Nothing was withdrawn.")


def version_of(wrapped: bytes) -> int:
    """The version that a wrapped key says it is under; 0, older than all, where it says none.

    The database works out `case_key.key_version` by the same rule (`CaseKey`).
    """
    found = _SAYS_VERSION.match(wrapped)
    return int(found.group(1)) if found else 0


class FileKeys:
    """Key-encryption keys in a file that is read anew when it changes.

    One line a version: its number, a space, 64 hexadecimal digits.
    """

    def __init__(self, path: Path) -> None:
        """Raises KeyFileRefused where the file is not there, others may read it, or it holds something else."""
        self._path = path
        self._seen: tuple[int, ...] = ()
        self._keys: Mapping[int, bytes] = {}
        self._read()

    @classmethod
    def made_once(cls, path: Path) -> "FileKeys":
        """The keys of a file that is made with a first version where it is missing."""
        if not path.exists():
            make_once(path, _written({1: secrets.token_bytes(KEY_BYTES)}))
        return cls(path)

    async def newest(self) -> int:
        """As the protocol says."""
        return max(self._read())

    async def wrap(self, case_id: UUID, secret: bytes) -> Wrapped:
        """As the protocol says."""
        keys = self._read()
        return self._under(max(keys), keys, case_id, secret)

    async def unwrap(self, case_id: UUID, wrapped: bytes) -> bytes:
        """As the protocol says."""
        return self._open(self._read(), case_id, wrapped)

    async def rewrap(self, case_id: UUID, wrapped: bytes) -> Wrapped:
        """As the protocol says."""
        keys = self._read()
        return self._under(max(keys), keys, case_id, self._open(keys, case_id, wrapped))

    async def rotate(self) -> int:
        """As the protocol says."""
        with self._alone():
            keys = self._read()
            newest = max(keys) + 1
            self._write({**keys, newest: secrets.token_bytes(KEY_BYTES)})
        return newest

    async def withdraw_before(self, version: int) -> None:
        """As the protocol says: the older keys are gone from the file. Raises NoSuchVersion."""
        with self._alone():
            keys = self._read()
            if version > max(keys):
                raise NoSuchVersion(max(keys))
            self._write({number: key for number, key in keys.items() if number >= version})

    def _under(self, version: int, keys: Mapping[int, bytes], case_id: UUID, secret: bytes) -> Wrapped:
        sealed = seal_bytes(keys[version], secret, _PURPOSE + case_id.bytes)
        return Wrapped(b"file:v%d:" % version + sealed, version)

    def _open(self, keys: Mapping[int, bytes], case_id: UUID, wrapped: bytes) -> bytes:
        found = _WRAPPED.match(wrapped)
        key = keys.get(int(found.group(1))) if found else None
        if found is None or key is None:
            raise KeyRefused
        try:
            return open_bytes(key, wrapped[found.end() :], _PURPOSE + case_id.bytes)
        except SealBroken:
            raise KeyRefused from None

    def _read(self) -> Mapping[int, bytes]:
        try:
            with self._path.open() as file:
                about = os.fstat(file.fileno())
                if stat.S_IMODE(about.st_mode) & 0o077:
                    raise KeyFileRefused(f"Others may read {self._path}, the keys of all cases: chmod 600 it.")
                seen = (about.st_ino, about.st_mtime_ns, about.st_size)
                if seen != self._seen:
                    self._keys, self._seen = _keys_in(file.read().splitlines(), self._path), seen
        except (OSError, UnicodeDecodeError) as error:
            says = f"The keys of all cases cannot be read from {self._path} ({type(error).__name__})."
            raise KeyFileRefused(f"{says} Put back the file that this database was written with.") from None
        return self._keys

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Of two who change the file at once, neither writes over what the other made: cases may need it."""
        descriptor = os.open(self._path.with_name(f"{self._path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # the file itself is another one after each change
            yield
        finally:
            os.close(descriptor)

    def _write(self, keys: Mapping[int, bytes]) -> None:
        fresh = self._path.with_name(f"{self._path.name}.{secrets.token_hex(8)}")
        put_private(fresh, _written(keys))
        fresh.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _keys_in(lines: Iterable[str], path: Path) -> Mapping[int, bytes]:
    found = [_LINE.fullmatch(line.strip()) for line in lines if line.strip()]
    keys = {int(one.group(1)): bytes.fromhex(one.group(2)) for one in found if one is not None}
    if not keys or len(keys) != len(found):
        raise KeyFileRefused(
            f"{path} holds no keys of cases: each line is a version, a space and {2 * KEY_BYTES} hexadecimal digits."
        )
    return keys


def _written(keys: Mapping[int, bytes]) -> str:
    return "".join(f"{version} {key.hex()}\n" for version, key in sorted(keys.items()))


class KeyRing:
    """The data keys that this process was shown lately, and the service that it asks for the others."""

    def __init__(self, service: KeyService, *, remembers: float) -> None:
        """`remembers` is in seconds."""
        self.service = service
        self._remembers = remembers
        self._held: OrderedDict[tuple[UUID, bytes], tuple[float, DataKey]] = OrderedDict()
        self._rests_until = 0.0
        self._failed = self._trying = False

    async def data_key(self, case_id: UUID, wrapped: bytes) -> DataKey:
        """The data key of a case. Raises KeyServiceDown, KeyRefused."""
        self._purge()
        held = self._held.get((case_id, wrapped))
        if held is not None:
            return held[1]
        async with self._asking():
            secret = await self.service.unwrap(case_id, wrapped)
        return self._remember(case_id, wrapped, DataKey(secret))

    async def data_keys(self, wrapped: Mapping[UUID, bytes]) -> None:
        """Ask for many at once, before rows of many cases are read."""
        turns = asyncio.Semaphore(_AT_ONCE)

        async def ask(case_id: UUID, one: bytes) -> None:
            async with turns:
                await self.data_key(case_id, one)

        await asyncio.gather(*(ask(*one) for one in wrapped.items()))

    async def made(self, case_id: UUID) -> tuple[DataKey, Wrapped]:
        """A new data key for a case, and what is kept of it. Raises KeyServiceDown."""
        self._purge()
        key = DataKey.made()
        async with self._asking():
            wrapped = await self.service.wrap(case_id, key.secret)
        return self._remember(case_id, wrapped.key, key), wrapped

    def forget(self) -> None:
        """Ask anew for every key, and of a service that did not answer at once."""
        self._held.clear()
        self._rests_until, self._failed = 0.0, False

    def forget_case(self, case_id: UUID) -> None:
        """Remember no key of this case any more: it is destroyed."""
        for one in [one for one in self._held if one[0] == case_id]:
            del self._held[one]

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[None]:
        """Once the service did not answer, one asks again after each rest; meanwhile the others are told so at once."""
        if self._failed and (self._trying or time.monotonic() < self._rests_until):
            raise KeyServiceDown
        tries = self._trying = self._failed
        try:
            yield
        except KeyServiceDown:
            self._rests_until, self._failed = time.monotonic() + _REST, True
            raise
        except KeyRefused:
            self._failed = False  # it answers
            raise
        else:
            self._failed = False
        finally:
            if tries:
                self._trying = False

    def _purge(self) -> None:
        """Drop what is out of its time: keys stand in the order in which they were shown."""
        while self._held:
            oldest = next(iter(self._held))
            if self._held[oldest][0] > time.monotonic():
                return
            del self._held[oldest]

    def _remember(self, case_id: UUID, wrapped: bytes, key: DataKey) -> DataKey:
        if self._remembers:
            self._held[case_id, wrapped] = time.monotonic() + self._remembers, key
            self._held.move_to_end((case_id, wrapped))
        while len(self._held) > _REMEMBERED:
            self._held.popitem(last=False)
        return key


def key_service(chosen: Settings) -> KeyService:
    """The key service that the settings name. Raises KeyFileRefused."""
    if chosen.transit_url is not None and chosen.transit_token_file is not None:
        return Transit(
            address=chosen.transit_url,
            key=chosen.transit_key,
            token_file=chosen.transit_token_file,
            mount=chosen.transit_mount,
            namespace=chosen.transit_namespace,
            ca_file=chosen.ca_file,
            timeout=chosen.transit_timeout_seconds,
        )
    if chosen.case_keys_file is not None:
        return FileKeys(chosen.case_keys_file)
    return FileKeys.made_once(chosen.data_dir / _DEMONSTRATION_FILE)


@lru_cache(maxsize=4)
def _ring(chosen: Settings) -> KeyRing:
    return KeyRing(key_service(chosen), remembers=chosen.data_key_seconds)


def key_ring() -> KeyRing:
    """The keys of this process, by its settings."""
    return _ring(settings())
