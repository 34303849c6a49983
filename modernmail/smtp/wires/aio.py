"""The wire for programs under asyncio: opened by aiosmtplib, then its transport is ours.

The pool opens it; the pipeline speaks over it.

Rules of the file: one exchange at a time; one timer a wire watches its deadline, whatever arrives; octets that nobody
waits for close it. Any exception in an exchange, a cancellation too, aborts the transport.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from time import monotonic

import aiosmtplib

from ...errors import ConnectFailed, DeliveryError, SecurityFailed
from ...receipt import Reply
from ..opening import open_session
from ..replies import ReplyReader, WireFault
from .security import ehlo_name, session_facts, tls_context, tls_reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from ..extensions import Extensions
    from ..settings import Settings

_BLOCK = 16384
_FAREWELL = 0.5  # seconds that QUIT may take
_HIGH_WATER = 262144  # octets that wait in the transport before a streamed content pauses


class AsyncioWire(asyncio.BufferedProtocol):
    """A transport that was opened and authenticated, and the replies that come over it."""

    def __init__(self, transport: asyncio.Transport, extensions: Extensions, settings: Settings) -> None:
        self.extensions = extensions
        self.is_broken = False
        self.is_fresh = True
        self.is_tls = transport.get_extra_info("sslcontext") is not None
        self.is_verified = self.is_tls and settings.verify
        self.needs_reset = False
        self.replies: list[Reply] = []
        self.served = 0
        self.last_used = monotonic()
        self._transport = transport
        self._reader = ReplyReader()
        self._timeout = settings.timeout
        self._pid = os.getpid()
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._count = 0
        self._seen = 0
        self._fault: WireFault | None = None
        self._deadline = 0.0
        self._patience = 0.0
        self._each: Sequence[float] = ()
        self._timer: asyncio.TimerHandle | None = None
        self._next_look = 0.0
        self._is_paused = False
        self._is_streaming = False  # the content is being written, and replies may come
        self._resumed: asyncio.Future[None] | None = None
        # An ordinary protocol is given a new 256 KiB object for each read: mapping it costs more than all the rest.
        # A view: asyncio's TLS slices what it reads into, and a slice of a bytearray would be a copy.
        self._buffer = memoryview(bytearray(_BLOCK))
        transport.set_write_buffer_limits(_HIGH_WATER)
        transport.set_protocol(self)

    # -- what the pipeline calls -------------------------------------------------------------------------------

    async def exchange(
        self, data: bytes | Iterable[bytes], count: int, patience: float | Sequence[float]
    ) -> list[Reply]:
        """Write, then return `count` replies, the first (or each) within `patience` seconds."""
        replies = self.replies = []
        self._seen = 0
        try:
            if self._fault is not None:
                raise self._fault
            if isinstance(data, bytes):
                self._transport.write(data)
            else:
                if count:
                    # BDAT: MAIL and RCPT are answered while the content is still being written
                    self._count = count
                    self._waiter = self._loop.create_future()
                    self._is_streaming = True
                await self._stream(data)
                self._is_streaming = False
            if count:
                self._count = count
                self._each = () if isinstance(patience, (float, int)) else patience
                first = self._patience = (
                    patience if isinstance(patience, (float, int)) else patience[min(self._seen, count - 1)]
                )
                deadline = self._deadline = self._loop.time() + first
                waiter = self._waiter = self._waiter or self._loop.create_future()
                if self._timer is None or deadline < self._next_look:
                    self._watch()
                await waiter
            return replies
        except BaseException:
            self._break()
            raise
        finally:
            if self._is_streaming:
                self._is_streaming = False
                if self._waiter is not None and self._waiter.done():
                    self._waiter.exception()  # it is raised by the writing: nobody else will ask
            self._waiter = None

    def check(self) -> None:
        """Raise `WireFault`, the wire closed, when it is broken or the server has spoken unasked."""
        if self._fault is not None:
            raise self._fault
        self.replies = []

    async def _stream(self, chunks: Iterable[bytes]) -> None:
        """Write chunks as fast as the peer takes them, each within the ordinary timeout."""
        write = self._transport.write
        pending = iter(chunks)
        while True:
            if self._fault is not None:
                raise self._fault  # before the next chunk is taken: taking the last one marks the mail as sent
            chunk = next(pending, None)
            if chunk is None:
                return
            write(chunk)
            if self._is_paused:
                resumed = self._resumed = self._loop.create_future()
                try:
                    async with asyncio.timeout(self._timeout):
                        await resumed
                except TimeoutError as error:
                    raise WireFault("timeout", f"the server took no data for {self._timeout:g} s") from error
                finally:
                    self._resumed = None

    def facts(self) -> dict[str, Any]:
        """Return what the session offers, as plain values."""
        return session_facts(self.extensions, self._transport.get_extra_info("ssl_object"))

    def is_usable(self) -> bool:
        """Return whether it is open, of this process and loop, and silent."""
        return (
            not self.is_broken
            and self._fault is None
            and self._pid == os.getpid()
            and self._loop is asyncio.get_running_loop()
            and not self._transport.is_closing()
        )

    async def close(self, *, polite: bool) -> None:
        """Close; a QUIT that fails changes nothing. A wire of another process or loop is only let go, without QUIT."""
        if self._pid != os.getpid() or self._loop.is_closed() or self._loop is not asyncio.get_running_loop():
            self.abandon()
            return
        try:
            if polite and self.is_usable():
                await self.exchange(b"QUIT\r\n", 1, _FAREWELL)
        except WireFault:
            pass
        finally:
            self.is_broken = True
            self._stop_watching()
            # Under TLS close() waits for the peer's close_notify, perhaps longer than the loop lives.
            self._transport.abort() if self.is_tls else self._transport.close()

    def abandon(self) -> None:
        """Let go of a wire whose loop or process is not ours: close the socket at most."""
        self.is_broken = True
        if self._pid != os.getpid():
            return
        if self._loop.is_closed():
            _let_go(self._transport)
        else:
            self._loop.call_soon_threadsafe(self._transport.abort)

    # -- what the loop calls -----------------------------------------------------------------------------------

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where the transport reads into."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Read replies; wake the exchange when all of them are there."""
        data = bytes(self._buffer[:nbytes])
        waiter = self._waiter
        replies = self.replies
        if waiter is None or waiter.done():
            self._spoke_unasked(data)
            return
        try:
            self._reader.feed(data, replies)
        except WireFault as fault:
            self._fail(fault)
            return
        got = len(replies)
        if got == self._seen:
            return
        for at in range(self._seen, got):
            if replies[at].code == 421:
                del replies[at + 1 :]
                self._fail(WireFault("closed", f"the server closes the session: {replies[at]}"))
                return
        self._seen = got
        if got < self._count:
            if self._is_streaming:
                return  # how long the rest may take is counted from the end of the writing
            self._patience = self._each[got] if self._each else self._timeout
            self._deadline = self._loop.time() + self._patience
            if self._deadline < self._next_look:
                self._watch()
        else:
            if got > self._count or not self._reader.is_empty:
                # Bytes nobody asked for: what was read stands, the wire is not used again.
                del replies[self._count :]
                self.is_broken = True
                self._fault = WireFault("protocol", "the server said more than it was asked")
                self._transport.abort()
            waiter.set_result(None)  # the last thing done here: the task may go on at once

    def _spoke_unasked(self, data: bytes) -> None:
        """Octets nobody waits for: a 421 is kept as the reason, whatever it is the wire is not used again."""
        replies: list[Reply] = []
        try:
            self._reader.feed(data, replies)
        except WireFault:
            replies = []
        if self._fault is None:
            self.replies = [reply for reply in replies if reply.code == 421]
        self._fail(WireFault("closed", "the server spoke unasked"))

    def eof_received(self) -> bool:
        """The server closed its side."""
        self._fail(WireFault("closed", "the server closed the connection"))
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone."""
        reason = "the connection is closed" if error is None else f"the connection broke: {_text(error)}"
        self._fail(WireFault("closed", reason))
        self._stop_watching()

    def pause_writing(self) -> None:
        """The transport holds enough."""
        self._is_paused = True

    def resume_writing(self) -> None:
        """The transport has room."""
        self._is_paused = False
        if self._resumed is not None and not self._resumed.done():
            self._resumed.set_result(None)

    def _fail(self, fault: WireFault) -> None:
        if self._fault is None:
            self._fault = fault
        self.is_broken = True
        for waiter in (self._waiter, self._resumed):
            if waiter is not None and not waiter.done():
                waiter.set_exception(self._fault)
        if not self._transport.is_closing():
            self._transport.abort()

    def _break(self) -> None:
        self.is_broken = True
        self._stop_watching()
        self._transport.abort()

    def _watch(self) -> None:
        """Look at the deadline when it may have come: cheaper than a timer for each reply."""
        self._stop_watching()
        if self._waiter is None or self._waiter.done() or self._is_streaming:
            return
        left = self._deadline - self._loop.time()
        if left <= 0:
            self._fail(WireFault("timeout", f"no reply within {self._patience:g} s"))
            return
        self._next_look = self._deadline
        self._timer = self._loop.call_at(self._next_look, self._watch)

    def _stop_watching(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _let_go(transport: Any) -> None:
    """Close the socket of a transport whose loop is closed and can do nothing for it any more.

    asyncio has no word for that: the attributes are those that its transports look at when they are collected, to warn
    of what was not closed. A loop of another make closes its transports' sockets itself.
    """
    tls = getattr(transport, "_ssl_protocol", None)
    if tls is not None:
        transport._closed = True
        transport = tls._transport
    sock = getattr(transport, "_sock", None)
    if sock is not None:
        transport._sock = None
        sock.close()


def _text(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


class _Tap(asyncio.Protocol):
    """Listens to what comes in before TLS and passes it on: more than one reply to a command is an attack.

    What is no reply, or too long for one, ends the connection: aiosmtplib would go on keeping it.
    """

    def __init__(self, inner: asyncio.Protocol, transport: asyncio.BaseTransport) -> None:
        self.inner = inner
        self.transport = transport
        self.reader = ReplyReader()
        self.replies: list[Reply] = []
        self.fault: WireFault | None = None

    def data_received(self, data: bytes) -> None:
        if self.fault is not None:
            return
        try:
            self.reader.feed(data, self.replies)
        except WireFault as fault:
            self.fault = fault
            self.transport.abort()  # type: ignore[attr-defined]
        else:
            self.inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self.inner.eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        self.inner.connection_lost(error)

    def pause_writing(self) -> None:
        self.inner.pause_writing()

    def resume_writing(self) -> None:
        self.inner.resume_writing()

    def is_at(self, count: int) -> bool:
        """Return whether exactly this many replies came, and nothing besides."""
        return self.fault is None and len(self.replies) == count and self.reader.is_empty


class _Client(aiosmtplib.SMTP):
    """aiosmtplib, which drops the connection at once when it closes: a farewell under TLS may outlive the loop."""

    def close(self) -> None:
        if self.transport is not None:
            self.transport.abort()  # type: ignore[attr-defined]
        super().close()


class _Opener:
    """aiosmtplib behind the contract of `open_session`."""

    def __init__(self, settings: Settings, context: ssl.SSLContext | None) -> None:
        self._settings = settings
        self._context = context or (None if settings.tls == "off" else tls_context(settings))
        self.is_tls = settings.tls == "implicit"
        where: dict[str, Any] = {"hostname": settings.host, "port": settings.port}
        if settings.socket_path is not None:
            where = {"socket_path": settings.socket_path}
        self.client = _Client(
            **where,
            timeout=settings.timeout,
            use_tls=self.is_tls,
            start_tls=False,
            tls_context=self._context if self.is_tls else None,
            local_hostname=settings.ehlo or "localhost",
        )
        self._tap: _Tap | None = None
        self._asked = 0

    @property
    def fault(self) -> WireFault | None:
        """What came in that was no reply."""
        return None if self._tap is None else self._tap.fault

    async def connect(self) -> Reply:
        try:
            response = await self.client.connect()
        except aiosmtplib.SMTPConnectResponseError as error:
            return _reply(error.code, error.message)
        protocol = self.client.protocol
        transport = self.client.transport
        if protocol is None or transport is None:
            raise WireFault("closed", "the server closed the connection")
        if getattr(protocol, "_buffer", b""):
            raise WireFault("protocol", "the server said more than it was asked")
        sockname = None if self._settings.socket_path else transport.get_extra_info("sockname")
        self.client.local_hostname = ehlo_name(self._settings, sockname[0] if sockname else None)
        self._tap = _Tap(protocol, transport)
        transport.set_protocol(self._tap)
        return _reply(response.code, response.message)

    async def _said(self, response: aiosmtplib.SMTPResponse) -> Reply:
        self._asked += 1
        self.check()
        return _reply(response.code, response.message)

    def check(self) -> None:
        """Raise `WireFault` when more came in than was asked for."""
        tap = self._tap
        if tap is not None and not tap.is_at(self._asked):
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
        self._tap, self._asked = _Tap(protocol, transport), 0
        transport.set_protocol(self._tap)
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


async def open_asyncio(settings: Settings, context: ssl.SSLContext | None = None) -> AsyncioWire:
    """Return an open, authenticated wire.

    Raises `ConnectFailed`, `SecurityFailed` or `AuthenticationFailed`; nothing is left open then.
    """
    opener = _Opener(settings, context)
    where = settings.where
    try:
        extensions = await _surely(opener, settings)
        transport = opener.client.transport
        if transport is None:
            raise WireFault("closed", "the server closed the connection")
        opener.check()
        return AsyncioWire(transport, extensions, settings)  # type: ignore[arg-type]
    except BaseException as error:
        opener.client.close()
        if isinstance(error, DeliveryError) or not isinstance(error, Exception):
            raise
        raise _mapped(opener.fault or error, where, settings) from error


async def _surely(opener: _Opener, settings: Settings) -> Extensions:
    """Open the session in a task of its own, so that a cancellation cannot be lost.

    aiosmtplib waits with `wait_for`, which on Python 3.11 drops a cancellation that comes together with the result.
    """
    opening = asyncio.ensure_future(open_session(opener, settings))
    try:
        await asyncio.wait((opening,))
    except asyncio.CancelledError:
        while not opening.done():
            opening.cancel()
            opener.client.close()
            await asyncio.wait((opening,), timeout=0.05)
        if not opening.cancelled():
            opening.exception()  # seen: it is not the news
        raise
    return opening.result()


def _mapped(error: Exception, where: str, settings: Settings) -> Exception:
    """Return our error for one of the libraries'; what is none of theirs is returned as it is."""
    chain: list[BaseException] = [error]
    while chain[-1].__cause__ is not None:
        chain.append(chain[-1].__cause__)
    for cause in chain:
        if isinstance(cause, ssl.SSLError):
            return SecurityFailed(f"TLS with {where} failed: {tls_reason(cause)}")
    if isinstance(error, WireFault):
        return ConnectFailed(f"{where}: {error.reason}", is_transient=error.kind != "protocol")
    if isinstance(error, TimeoutError):
        return ConnectFailed(f"{where}: no answer within {settings.timeout:g} s", is_transient=True)
    if isinstance(error, (OSError, aiosmtplib.SMTPException)):
        return ConnectFailed(f"{where}: {_text(error)}", is_transient=True)
    return error
