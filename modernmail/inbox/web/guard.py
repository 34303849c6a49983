"""Guard: who may ask, checked before anything else answers.

A page of the web must not reach into a developer's inbox: not by a forged request (Origin), not by a name
that resolves to this machine (Host), not by framing or reading an answer (the headers put on every response).
"""

from __future__ import annotations

import base64
import hmac
import ipaddress
from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse

from modernmail.inbox.guesses import Guesses

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_WHO = 401
_SAFE = frozenset({"GET", "HEAD"})
_STREAMS = ("/events", "/api/wait")
# Posted by the preview, whose origin is opaque: "null"; guarded by a token in the path.
_REPORTS = "/blocked/"
_HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"same-origin",  # with no-referrer our own forms would be of an unknown origin
    b"cross-origin-resource-policy": b"same-origin",
    b"cross-origin-opener-policy": b"same-origin",
    b"x-dns-prefetch-control": b"off",
    b"cache-control": b"no-store",
}


class Guard:
    """Refuses, with 403, a Host that is not this machine and an Origin that is not this page.

    `hostnames` are further names under which the page is reached. With `credentials` (user and password)
    every request needs them, and any Host is taken: a browser sends them to nobody else.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hostnames: frozenset[str] = frozenset(),
        credentials: tuple[str, str] | None = None,
    ) -> None:
        self.app = app
        self.hostnames = hostnames
        self.credentials = credentials
        self._guesses = Guesses()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message["headers"]}
                if scope["path"].startswith(_REPORTS):
                    # The frame's origin is opaque: foreign to itself.
                    given.add(b"cross-origin-resource-policy")
                added = [(name, value) for name, value in _HEADERS.items() if name not in given]
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None and refusal.status_code == _WHO and _has(scope, b"authorization"):
            await self._guesses.wrong()
        await (refusal or self.app)(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get("host", "")
        if self.credentials is None and not (is_this_machine(host) or _name(host) in self.hostnames):
            return PlainTextResponse(f"403 This inbox is not {host[:200]!r}: open it by 127.0.0.1\n", 403)
        is_report = scope["path"].startswith(_REPORTS)
        if not is_report:
            if headers.get("origin", f"http://{host}") not in {f"http://{host}", f"https://{host}"}:
                return PlainTextResponse("403 Another page may not do this: foreign Origin\n", 403)
            is_ours = headers.get("sec-fetch-site", "none") in {"same-origin", "none"}
            if not is_ours and not _is_visit(scope, headers):
                return PlainTextResponse("403 Another page may not do this: foreign site\n", 403)
        if (
            self.credentials is not None
            and not is_report
            and not self._knows(headers.get("authorization", ""))
        ):
            challenge = {"WWW-Authenticate": 'Basic realm="modernmail inbox", charset="UTF-8"'}
            return PlainTextResponse("401 A user and a password are needed\n", _WHO, challenge)
        return None

    def _knows(self, authorization: str) -> bool:
        scheme, _, given = authorization.partition(" ")
        try:
            decoded = base64.b64decode(given, validate=True)
        except ValueError:
            return False
        expected = ":".join(self.credentials or ()).encode()
        return scheme.lower() == "basic" and hmac.compare_digest(decoded, expected)


def _has(scope: Scope, name: bytes) -> bool:
    return any(given == name for given, _ in scope["headers"])


def _is_visit(scope: Scope, headers: dict[str, str]) -> bool:
    """Return whether somebody follows a link to here: what other pages may do; they may embed or measure nothing."""
    wanted = headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")
    return scope["method"] in _SAFE and scope["path"] not in _STREAMS and wanted == ("navigate", "document")


def is_this_machine(host: str) -> bool:
    """Return whether a Host header names this machine by a name that no DNS can point elsewhere.

    >>> is_this_machine("localhost:8025"), is_this_machine("[::1]:8025"), is_this_machine("127.0.0.1.example")
    (True, True, False)
    """
    name = _name(host)
    if name == "localhost" or name.endswith(".localhost"):  # RFC 6761 6.3: never looked up elsewhere
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _name(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.rpartition(":")[0].lower() if ":" in host else host.lower()
