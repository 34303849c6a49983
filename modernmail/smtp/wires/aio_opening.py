"""How a wire for asyncio is opened: aiosmtplib connects, greets and starts TLS, and hands its transport over.

The pool calls `open_asyncio`.

Rules of the file: what comes in before the transport is ours is counted; more than was asked for ends the opening, and so
does what is no reply. A cancellation is never lost, and leaves nothing open.
"""

from __future__ import annotations

import asyncio
from functools import partial
from math import inf
from time import monotonic

import aiosmtplib

from ...errors import DeliveryError, SecurityFailed
from ...reply import Reply
from ..opening import open_session
from ..patience import late
from ..replies import WireFault
from .aio import AsyncioWire
from .aio_tap import Tap, TappedClient
from .failures import opening_failure
from .others import Others
from .security import ehlo_name, is_looked_up

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from typing import Any

    from ..extensions import Extensions
    from ..settings import Settings


class _Opener:
    """aiosmtplib behind the contract of `open_session`."""

    def __init__(self, settings: Settings, context: ssl.SSLContext | None, others: Others) -> None:
        self._settings = settings
        self._context = context
        self.is_tls = settings.tls == "implicit"
        where: dict[str, Any] = {"hostname": settings.host, "port": settings.port}
        if settings.socket_path is not None:
            where = {"socket_path": settings.socket_path}
        self.client = TappedClient(
            **where,
            timeout=settings.timeout,
            use_tls=self.is_tls,
            start_tls=False,
            tls_context=self._context if self.is_tls else None,
            local_hostname=settings.ehlo or "localhost",
        )
        self.client.others = others
        self.said = others.said.copy()
        self._tls_tap: Tap | None = None
        self._asked = 1  # the greeting

    @property
    def _tap(self) -> Tap | None:
        return self._tls_tap or self.client.tap

    @property
    def fault(self) -> WireFault | None:
        """What came in that was no reply."""
        return None if self._tap is None else self._tap.fault

    async def connect(self) -> Reply:
        if not is_looked_up(self._settings):
            await asyncio.to_thread(ehlo_name, self._settings, None)
        try:
            response = await self.client.connect()
        except aiosmtplib.SMTPConnectResponseError as error:
            return _reply(error.code, error.message)
        self.check()
        transport = self.client.transport
        if transport is None:
            raise WireFault("closed", "the server closed the connection")
        sockname = None if self._settings.socket_path else transport.get_extra_info("sockname")
        self.client.local_hostname = ehlo_name(self._settings, sockname[0] if sockname else None)
        return _reply(response.code, response.message)

    async def _said(self, response: aiosmtplib.SMTPResponse) -> Reply:
        self._asked += 1
        self.check()
        return _reply(response.code, response.message)

    def check(self) -> None:
        """Raise `WireFault` when more came in than was asked for, or when nobody listened to it."""
        tap = self._tap
        if tap is None:
            raise WireFault("protocol", "this aiosmtplib does not let what comes in be listened to")
        if not tap.is_at(self._asked):
            raise tap.fault or WireFault("protocol", "the server said more than it was asked")

    async def ehlo(self) -> Reply:
        if self._settings.is_lmtp:
            name = self.client.local_hostname or "localhost"
            response = await self.client.execute_command(b"LHLO", name.encode("ascii"))  # RFC 2033 4.1
            self.client.last_ehlo_response = response  # what its STARTTLS asks for
            return await self._said(response)
        try:
            return await self._said(await self.client.ehlo())
        except aiosmtplib.SMTPHeloError as error:
            self._asked += 1
            return _reply(error.code, error.message)

    async def helo(self) -> Reply:
        try:
            return await self._said(await self.client.helo())
        except aiosmtplib.SMTPHeloError as error:
            self._asked += 1
            return _reply(error.code, error.message)

    async def start_tls(self) -> None:
        try:
            await self.client.starttls(tls_context=self._context)
        except aiosmtplib.SMTPResponseException as error:
            reply = _reply(error.code, error.message)
            raise SecurityFailed(
                f"STARTTLS was offered and refused: {reply}", reply=reply, is_transient=reply.is_transient
            ) from error
        finally:
            self._asked += 1
        try:
            self.check()
        except WireFault as fault:
            raise SecurityFailed(f"STARTTLS failed: {fault.reason}", is_transient=True) from fault
        # From here on the transport is another one, and what it brings is authenticated.
        protocol, transport = self.client.protocol, self.client.transport
        if protocol is None or transport is None:
            raise WireFault("closed", "the server closed the connection")
        self._tls_tap, self._asked = Tap(protocol), 0
        self._tls_tap.transport = transport  # type: ignore[assignment]
        transport.set_protocol(self._tls_tap)
        self.is_tls = True

    async def command(self, line: str) -> Reply:
        return await self._said(await self.client.execute_command(line.encode("utf-8")))

    async def token(self) -> str:
        provider = self._settings.token
        assert provider is not None
        fetch = getattr(provider, "atoken", None)  # one that would block the loop has an async form
        token = provider() if fetch is None else fetch()
        return await token if hasattr(token, "__await__") else token


def _reply(code: int, message: str) -> Reply:
    return Reply(code, [line.encode("utf-8", "surrogateescape") for line in message.split("\n")])


async def open_asyncio(settings: Settings, context: ssl.SSLContext | None, until: float) -> AsyncioWire:
    """Return an open, authenticated wire, before the moment `until`.

    Raises `ConnectFailed`, `SecurityFailed` or `AuthenticationFailed`; nothing is left open then.
    """
    return await Others(settings.timeout).opened(partial(_opened, settings, context, until))


async def _opened(
    settings: Settings, context: ssl.SSLContext | None, until: float, others: Others
) -> AsyncioWire:
    opener = _Opener(settings, context, others)
    try:
        extensions = await _surely(opener, settings, until)
        transport = opener.client.transport
        # A wire on a transport that has ended already would not be told any more.
        if transport is None or transport.is_closing():
            raise WireFault("closed", "the server closed the connection")
        opener.check()
        return AsyncioWire(transport, extensions, settings)  # type: ignore[arg-type]
    except BaseException as error:
        opener.client.close()
        if not isinstance(error, Exception):
            raise
        known = isinstance(error, DeliveryError)
        found = error if known else opener.fault or error
        failure = opening_failure(found, settings, aiosmtplib.SMTPException, opener.said)
        if failure is error:
            raise
        raise failure from error


async def _surely(opener: _Opener, settings: Settings, until: float) -> Extensions:
    """Open the session in a task of its own, so that neither a cancellation nor the deadline can be lost.

    aiosmtplib waits with `wait_for`, which on Python 3.11 drops a cancellation that comes together with the result.
    """
    opening = asyncio.ensure_future(open_session(opener, settings))
    left = None if until == inf else max(0.0, until - monotonic())
    try:
        done, _ = await asyncio.wait((opening,), timeout=left)
    except asyncio.CancelledError:
        await _given_up(opening, opener)
        raise
    if not done:
        await _given_up(opening, opener)
        raise WireFault("timeout", late(settings.deadline or 0.0))
    return opening.result()


async def _given_up(opening: asyncio.Future[Extensions], opener: _Opener) -> None:
    """Cancel the opening until it has ended; whoever cancels us once more is heard when it has."""
    cancellation: asyncio.CancelledError | None = None
    while not opening.done():
        opening.cancel()
        opener.client.close()
        try:
            await asyncio.wait((opening,), timeout=0.05)
        except asyncio.CancelledError as error:
            cancellation = cancellation or error
    if not opening.cancelled():
        opening.exception()  # seen: it is not the news
    if cancellation is not None:
        raise cancellation  # itself: a scope of anyio knows its own by what it says
