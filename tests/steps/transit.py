"""A transit engine on loopback for tests, as HashiCorp Vault documents its API: derived keys, versions, the token.

Real HTTP, real AES-256-GCM; the keys are in memory. Of a request it checks what the engine checks, and answers its
errors in the same form.
"""

import base64
import binascii
import json
import re
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


class Misused(Exception):
    """What the engine answers with 400."""


@dataclass
class TransitKey:
    """A key of type aes256-gcm96."""

    derived: bool = True
    versions: dict[int, bytes] = field(default_factory=lambda: {1: secrets.token_bytes(32)})
    min_decryption_version: int = 1

    @property
    def latest(self) -> int:
        """The version that encrypts."""
        return max(self.versions)

    def aead(self, version: int, context: str) -> AESGCM:
        """What encrypts under one version for one context."""
        if not self.derived:
            return AESGCM(self.versions[version])
        if not context:
            raise Misused("missing 'context' for key derivation; the key was created using a derived key")
        salted = base64.b64decode(context, validate=True)
        return AESGCM(HKDF(SHA256(), 32, None, salted).derive(self.versions[version]))

    def encrypt(self, plain: bytes, context: str) -> str:
        """As `vault:v<version>:<base64>`."""
        nonce = secrets.token_bytes(12)
        sealed = nonce + self.aead(self.latest, context).encrypt(nonce, plain, None)
        return f"vault:v{self.latest}:{base64.b64encode(sealed).decode()}"

    def decrypt(self, ciphertext: str, context: str) -> bytes:
        """The plaintext, or what the engine says against it."""
        found = re.fullmatch(r"vault:v(\d+):(.+)", ciphertext)
        if found is None:
            raise Misused("invalid ciphertext: no prefix")
        version = int(found.group(1))
        if version < self.min_decryption_version:
            raise Misused("ciphertext or signature version is disallowed by policy (too old)")
        if version not in self.versions:
            raise Misused("invalid ciphertext: version is too new")
        sealed = base64.b64decode(found.group(2), validate=True)
        try:
            return self.aead(version, context).decrypt(sealed[:12], sealed[12:], None)
        except InvalidTag:
            raise Misused("cipher: message authentication failed") from None


@dataclass
class Engine:
    """The engine: what tests set, and what it was asked. `answers` are given in turn instead of what it would say."""

    url: str = ""
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    namespace: str | None = None
    keys: dict[str, TransitKey] = field(default_factory=lambda: {"clares-law": TransitKey()})
    asked: list[str] = field(default_factory=list)
    answers: list[tuple[int, bytes]] = field(default_factory=list)
    sealed: bool = False

    def answer(self, method: str, path: str, headers: Any, body: bytes) -> tuple[int, bytes]:
        """Status and body."""
        self.asked.append(f"{method} {path}")
        if self.answers:
            return self.answers.pop(0)
        if self.sealed:
            return 503, _errors("Vault is sealed")
        if headers.get("X-Vault-Token") != self.token or headers.get("X-Vault-Namespace") != self.namespace:
            return 403, _errors("permission denied")
        found = re.fullmatch(r"/v1/transit/(encrypt|decrypt|rewrap|keys)/([a-z-]+)(?:/(rotate|config))?", path)
        if found is None or found.group(2) not in self.keys:
            return 404, _errors()
        try:
            said = self._do(
                method, found.group(1), found.group(3), self.keys[found.group(2)], json.loads(body or b"{}")
            )
        except (Misused, binascii.Error, KeyError) as error:
            return 400, _errors(str(error))
        return (204, b"") if said is None else (200, json.dumps({"data": said}).encode())

    def _do(self, method: str, what: str, then: str | None, key: TransitKey, sent: Any) -> dict[str, Any] | None:
        if what == "keys" and method == "GET":
            return {
                "type": "aes256-gcm96",
                "derived": key.derived,
                "keys": {str(version): 1442851412 for version in key.versions},
                "latest_version": key.latest,
                "min_decryption_version": key.min_decryption_version,
                "name": "clares-law",
                "supports_encryption": True,
                "supports_decryption": True,
                "supports_derivation": True,
            }
        if what == "keys" and then == "rotate":
            key.versions[key.latest + 1] = secrets.token_bytes(32)
            return None
        if what == "keys" and then == "config":
            key.min_decryption_version = sent["min_decryption_version"]
            return None
        context = sent.get("context", "")
        if what == "encrypt":
            return {"ciphertext": key.encrypt(base64.b64decode(sent["plaintext"], validate=True), context)}
        plain = key.decrypt(sent["ciphertext"], context)
        if what == "rewrap":
            return {"ciphertext": key.encrypt(plain, context), "key_version": key.latest}
        return {"plaintext": base64.b64encode(plain).decode()}


def _errors(*says: str) -> bytes:
    return json.dumps({"errors": list(says)}).encode()


@contextmanager
def transit_engine() -> Iterator[Engine]:
    """An engine that listens on loopback for as long as the block lasts."""
    engine = Engine()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, said = engine.answer(self.command, self.path, self.headers, body)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        do_GET = do_POST = _answer  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    engine.url = f"http://127.0.0.1:{server.server_port}"
    listening = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    listening.start()
    try:
        yield engine
    finally:
        server.shutdown()
        server.server_close()
