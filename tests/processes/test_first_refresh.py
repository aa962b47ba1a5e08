"""A newcomer's worker asks for the published bank holidays with its first turn: a real network, and ours."""

import json
import ssl
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app import clock
from tests.faults.fleet import eventually, fleet, rows
from tests.rules.test_published_file import as_file

HOST = "127.0.0.1"


class Publisher(BaseHTTPRequestHandler):
    """Answers with the published file."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        body = json.dumps(as_file()).encode()
        self.send_response(200)
        self.send_header("ETag", '"ours"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Says nothing."""


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of this machine's loopback address, signed by itself, and its key."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = clock.real_now()
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "publisher.pem", folder / "publisher.key"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, *plain))
    return public, private


@pytest.fixture
def publisher(tmp_path: Path) -> Iterator[tuple[ThreadingHTTPServer, Path]]:
    """A publisher that answers over TLS, and the certificate to trust it by."""
    public, private = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    Publisher.asked = []
    with ThreadingHTTPServer((HOST, 0), Publisher) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server, public
        server.shutdown()


def test_the_first_worker_of_an_installation_asks_at_once_and_no_other_does(
    database: str, tmp_path: Path, publisher: tuple[ThreadingHTTPServer, Path]
) -> None:
    server, public = publisher
    begun = clock.real_now()
    network = {
        "CLARES_LAW_BANK_HOLIDAYS_URL": f"https://{HOST}:{server.server_port}/bank-holidays.json",
        "SSL_CERT_FILE": str(public),
        "NO_PROXY": HOST,
    }
    with fleet(database, tmp_path, network) as workers:
        workers.start(2)
        eventually(lambda: workers.logged("calendar_taken_in"), "the published file is taken in")
        workers.await_work()
        assert set(workers.stop()) == {0}
        assert workers.logged("calendar_taken_in") == 1
    assert Publisher.asked == ["/bank-holidays.json"]
    [kept] = rows(database, "SELECT attempted_at, next_attempt_at FROM calendar_refresh")
    assert begun < kept["attempted_at"] < clock.real_now()
    assert kept["next_attempt_at"] > kept["attempted_at"] + timedelta(days=1)
    assert {row["etag"] for row in rows(database, "SELECT etag FROM holiday_calendar")} == {'"ours"'}
