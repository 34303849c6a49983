"""An OAuth2 token endpoint in this process: it gives tokens in order, or whatever a test wants it to answer."""

from __future__ import annotations

import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import trustme

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType
    from typing import Any, Self

    Answer = tuple[int, bytes | dict[str, Any]]


class TokenEndpoint:
    """A context manager: `answer(form)` is called for each request and returns the status and the body.

    `owners` maps tokens to users, for a server that asks about them by GET. By default each request gets `token-1`,
    `token-2` …, good for an hour. `forms` and `authorizations` are what came. While `gate` is not set, requests wait.
    """

    def __init__(
        self,
        answer: Callable[[dict[str, str]], Answer] | None = None,
        *,
        folder: Path | None = None,
        name: str = "localhost",
    ) -> None:
        self.forms: list[dict[str, str]] = []
        self.authorizations: list[str | None] = []
        self.answer = answer or self._tokens
        self.gate = threading.Event()
        self.gate.set()
        self.arrived = threading.Event()
        self.headers: dict[str, str] = {}
        self.owners: dict[str, str] = {}
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                form = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode("ascii")))
                endpoint.forms.append(form)
                endpoint.authorizations.append(self.headers["Authorization"])
                endpoint.arrived.set()
                endpoint.gate.wait(30)
                status, body = endpoint.answer(form)
                octets = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for field, value in endpoint.headers.items():
                    self.send_header(field, value)
                self.send_header("Content-Length", str(len(octets)))
                self.end_headers()
                self.wfile.write(octets)

            def do_GET(self) -> None:
                """Say whose token it is, as servers ask (RFC 7662 in Google's form)."""
                token = dict(parse_qsl(self.path.partition("?")[2])).get("access_token", "")
                owner = endpoint.owners.get(token)
                octets = json.dumps(
                    {"error": "invalid_token"} if owner is None else {"email": owner}
                ).encode()
                self.send_response(400 if owner is None else 200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(octets)))
                self.end_headers()
                self.wfile.write(octets)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """A client that does not trust the certificate is no news."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self.ca: Path | None = None
        if folder is not None:
            authority = trustme.CA()
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            authority.issue_cert(name, common_name="localhost").configure_cert(context)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            self.ca = folder / "ca.pem"
            authority.cert_pem.write_to_path(str(self.ca))
        self.url = f"{'http' if folder is None else 'https'}://localhost:{self.port}/token"
        if folder is None:
            self.url = self.url.replace("localhost", "127.0.0.1")

    def _tokens(self, form: dict[str, str]) -> Answer:
        return 200, {"access_token": f"token-{len(self.forms)}", "token_type": "Bearer", "expires_in": 3600}

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.gate.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
