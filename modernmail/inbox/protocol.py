"""The capture server's side of one SMTP session: aiosmtpd's, with mail transactions of our own.

aiosmtpd parses addresses with the email package (which normalises them), refuses DSN parameters, and reads
content line by line, none over 1,001 octets. An inbox must keep what was sent, so MAIL, RCPT and DATA are
written anew (`transaction.py`); greeting, EHLO, STARTTLS, AUTH, time-outs and the loop stay aiosmtpd's. Imported
late: it needs the `inbox` extra.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import TYPE_CHECKING, Any, cast

from .transaction import TransactionCommands

if TYPE_CHECKING:
    import asyncio

    from .capture import CaptureServer

log = logging.getLogger("modernmail.inbox")

# A page of the web can make a browser post anything to this port, as lines of which some are commands. What a browser
# says before is none of SMTP's, so the session ends there (as Postfix's smtpd_forbidden_commands has it).
_HTTP = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE", "HOST:")

_READ_LIMIT = 64 * 1024  # octets the reader holds before it stops the sender: a window, not a limit on lines


class _Hooks:
    """What aiosmtpd asks a handler for."""

    async def handle_EHLO(
        self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        """Return the EHLO answer: what this server really does."""
        session.host_name = hostname
        kept = [line for line in responses[:-1] if server.offers_auth or not line.startswith("250-AUTH")]
        return [*kept, "250-PIPELINING", "250-DSN", responses[-1]]

    async def handle_exception(self, error: Exception) -> str:
        """Return the reply for a fault of our own; the session goes on."""
        log.error("the capture server failed in a session", exc_info=error)
        return "451 4.3.0 Internal error, nothing was kept"


class CaptureProtocol(TransactionCommands):
    """One session with the capture server `owner`."""

    line_length_limit = _READ_LIMIT
    command_size_limits: dict[str, int] = defaultdict(lambda: 2048)  # noqa: RUF012 - aiosmtpd's own

    def __init__(self, owner: CaptureServer, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            _Hooks(),
            data_size_limit=owner.max_size,
            enable_SMTPUTF8=True,
            hostname=owner.hostname,
            ident="modernmail inbox",
            tls_context=None if owner.implicit_tls else owner.tls,
            require_starttls=owner.require_tls and not owner.implicit_tls,
            timeout=owner.timeout,
            auth_require_tls=owner.tls is not None and not owner.implicit_tls,
            auth_callback=self._check_credentials,
            loop=loop,
        )
        self._auth_required = owner.credentials is not None  # the constructor warns about AUTH without TLS
        self._smtp_methods.update(dict.fromkeys(_HTTP, self._refuse_http))
        self._owner = owner
        self._refused = False
        self._quiet_since = 0.0

    @property
    def offers_auth(self) -> bool:
        """Whether EHLO may name AUTH."""
        return self._owner.credentials is not None

    # -- the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the session, or refuse it when there are too many."""
        self._transaction = None
        if not self._owner.admit(self):
            self._refused = True
            refused = cast("asyncio.Transport", transport)
            refused.write(b"421 4.3.2 Too many connections\r\n")
            refused.close()
            return
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """End the session."""
        self._owner.forget(self)
        if not self._refused:
            super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        """Take what the client sent."""
        if not self._refused:
            super().data_received(data)

    def eof_received(self) -> bool | None:
        """End the session when the client half-closes."""
        return None if self._refused else super().eof_received()

    def end(self) -> asyncio.Task[None] | None:
        """Close the connection now and return what is left of the session, to be awaited."""
        if self.transport is not None:
            cast("asyncio.Transport", self.transport).abort()
        return self._handler_coroutine

    def _reset_timeout(self, duration: float | None = None) -> None:
        """Begin to wait anew: note when, and let the timer that runs look there; one a command would cost more."""
        self._quiet_since = self.loop.time()
        if self._timeout_handle is None or duration is not None:
            super()._reset_timeout(duration)

    def _timeout_cb(self) -> None:
        left = self._quiet_since + self._timeout_duration - self.loop.time()
        if left > 0:
            self._timeout_handle = self.loop.call_later(left, self._timeout_cb)
        else:
            super()._timeout_cb()  # type: ignore[no-untyped-call]

    async def _refuse_http(self, _: str | None) -> None:
        log.warning("a request of HTTP came to the SMTP port, and was refused")
        await self.push("421 4.7.0 This is SMTP: HTTP has another port here")
        cast("asyncio.Transport", self.transport).close()
        cast("asyncio.Task[None]", self._handler_coroutine).cancel()

    def _check_credentials(self, mechanism: str, login: bytes, password: bytes) -> bool:
        user = login.decode("utf-8", "replace")
        if not self._owner.knows(user, password.decode("utf-8", "replace")):
            return False
        self._user = user
        return True
