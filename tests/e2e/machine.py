"""What stands in for the machine that MLflow runs on, and for the network before it.

The server is a real one. A reverse proxy with a certificate of a test authority stands in for Caddy, a proxy that knows
one name only for the internet: whoever uses it reaches the "machine" under its name, as behind a company's proxy. A
thread stands in for the machine's timer that leaves copies of the database. Its boot itself, the firewall and
Let's Encrypt are not here.
"""

from __future__ import annotations

import datetime as dt
import http.client
import select
import socket
import sqlite3
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bootstrap.adapters.aws.session import Aws
from bootstrap.adapters.mlflow import MlflowServer
from bootstrap.core.names import Names
from tests.ports import some_port

HOST = "mlflow.example.org"
_LOOK_SECONDS = 0.2


@dataclass
class Machine:
    """The machine of one environment; nobody answers behind its certificate before `boot`."""

    names: Names
    amazon: Aws
    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    _server: MlflowServer | None = None
    _port: int = 0
    _timer: threading.Thread | None = None
    _over: threading.Event = field(default_factory=threading.Event)

    @property
    def password(self) -> str:
        """The password that it made for its administrator."""
        assert self._server is not None
        return self._server.admin_password()

    def boot(self, environ: dict[str, str]) -> None:
        """Start the server, and leave its administrator's password where the operator looks."""
        self._server = MlflowServer(self.folder / "server")
        environ = {name: value for name, value in environ.items() if not name.startswith("AWS_")}
        environ |= self.amazon.credentials_environment(environ)
        self._port = some_port()
        started = self._server.start(port=self._port, bucket=self.names.bucket, instance="machine", environ=environ)
        self.amazon.client("ssm").put_parameter(
            Name=self.names.mlflow_password_parameter, Value=self.password, Type="SecureString", Overwrite=True
        )
        self._server.wait(started)
        self._timer = threading.Thread(target=self._leave_copies)
        self._timer.start()

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, list[Any], bytes]:
        """Hand a request on to the server, as Caddy does; 502 as long as there is none."""
        if self._server is None:
            return 502, [], b""
        with closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)) as there:
            try:
                there.request(method, path, body, headers | {"Host": f"127.0.0.1:{self._port}"})
                answer = there.getresponse()
                return answer.status, answer.getheaders(), answer.read()
            except OSError:
                return 502, [], b""

    def end(self) -> None:
        """Switch it off."""
        self._over.set()
        if self._timer is not None:
            self._timer.join()
        if self._server is not None:
            self._server.stop()

    def _leave_copies(self) -> None:
        s3, bucket = self.amazon.client("s3"), self.names.bucket
        while not self._over.wait(_LOOK_SECONDS):
            with suppress(s3.exceptions.ClientError):
                s3.head_object(Bucket=bucket, Key="mlflow/.backup/wanted")
                copy = self.folder / "copy.db"
                source = self.folder / "server" / "mlflow.db"
                with closing(sqlite3.connect(source)) as here, closing(sqlite3.connect(copy)) as there:
                    here.backup(there)
                s3.upload_file(str(copy), bucket, "mlflow/.backup/mlflow.db")
                s3.delete_object(Bucket=bucket, Key="mlflow/.backup/wanted")


@contextmanager
def machine(names: Names, amazon: Aws, folder: Path) -> Iterator[Machine]:
    """Stand up the machine, its certificate and the network before it; `variables` lead a program there."""
    folder.mkdir()
    authority, chain = _certificates(folder)
    found = Machine(names, amazon, folder)
    front = ThreadingHTTPServer(("127.0.0.1", 0), _front(found))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    # The handshake is the handler's thread's business: a client that breaks it off holds up nobody.
    front.socket = context.wrap_socket(front.socket, server_side=True, do_handshake_on_connect=False)
    proxy = ThreadingHTTPServer(("127.0.0.1", 0), _proxy(front.server_address[1]))
    servers = (proxy, front)
    threads = [threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}) for server in servers]
    for thread in threads:
        thread.start()
    found.variables |= {"HTTPS_PROXY": f"http://127.0.0.1:{proxy.server_address[1]}", "SSL_CERT_FILE": str(authority)}
    try:
        yield found
    finally:
        found.end()
        for server in servers:
            server.shutdown()
            server.server_close()
        for thread in threads:
            thread.join()


def _front(there: Machine) -> type[BaseHTTPRequestHandler]:
    class Front(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(length)
            status, headers, content = there.forward(self.command, self.path, dict(self.headers), body)
            self.send_response(status)
            for name, value in headers:
                if name.lower() not in ("transfer-encoding", "connection", "content-length", "server", "date"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None: ...

    return Front


def _proxy(front: int) -> type[BaseHTTPRequestHandler]:
    class Proxy(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            if self.path != f"{HOST}:443":
                self.send_error(502, "nobody knows that name")
                return
            with socket.create_connection(("127.0.0.1", front)) as there:
                self.send_response(200)
                self.end_headers()
                _splice(self.connection, there)

        def log_message(self, *_: object) -> None: ...

    return Proxy


def _splice(one: socket.socket, other: socket.socket) -> None:
    """Hand bytes on in both directions until one side has no more."""
    with suppress(OSError):
        while True:
            ready, _, _ = select.select([one, other], [], [], 60)
            for side in ready:
                data = side.recv(65536)
                if not data:
                    return
                (other if side is one else one).sendall(data)
            if not ready:
                return


def _certificates(folder: Path) -> tuple[Path, Path]:
    """Make an authority and its certificate for HOST; return the files of the one, and of the other with its key."""
    now = dt.datetime.now(dt.timezone.utc)

    def signed(name: str, issuer: str, key: Any, by: Any, extensions: list[tuple[Any, bool]]) -> x509.Certificate:
        built = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(days=1))
        )
        for extension, critical in extensions:
            built = built.add_extension(extension, critical)
        return built.sign(by, hashes.SHA256())

    root, leaf = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = signed("test authority", "test authority", root, root, [(x509.BasicConstraints(True, None), True)])
    own = signed(HOST, "test authority", leaf, root, [(x509.SubjectAlternativeName([x509.DNSName(HOST)]), False)])
    pem, plain = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    of_authority, of_host = folder / "authority.pem", folder / "host.pem"
    of_authority.write_bytes(authority.public_bytes(pem))
    of_host.write_bytes(own.public_bytes(pem) + leaf.private_bytes(pem, plain, serialization.NoEncryption()))
    return of_authority, of_host
