"""InboxServer: the capture server and the pages, together, over one store."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Any, Self

from modernmail.errors import ConfigurationError

from .capture import CaptureServer, cannot_listen, is_loopback
from .memory_store import MemoryStore
from .thread import in_thread

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType

    from .store import Store
    from .web.previews import Previews
    from .web.release import Release


class InboxServer:
    """SMTP on `smtp_port`, pages and API on `http_port` (0: free). Mail goes to `store` (default: memory).

    `async with` it on a running loop; `with InboxServer.threaded()` gives it a thread and a loop of its own.
    `release` says who may get caught mail after all, `hostnames` are further names of the page, `credentials`
    are users and passwords, asked for by both servers: any address but loopback takes them. `smtp` holds
    further options of `CaptureServer`. Raises `ConfigurationError`.

    >>> from urllib.request import urlopen
    >>> with InboxServer.threaded() as server:
    ...     page = urlopen(server.url).read()
    >>> b"Nothing here yet" in page
    True
    """

    def __init__(
        self,
        store: Store | None = None,
        *,
        host: str = "127.0.0.1",
        http_port: int = 0,
        smtp_port: int = 0,
        release: Release | None = None,
        previews: Previews | None = None,
        hostnames: Iterable[str] = (),
        credentials: tuple[str, str] | None = None,
        smtp: dict[str, Any] | None = None,
    ) -> None:
        if credentials is None and not is_loopback(host):
            raise ConfigurationError(
                f"host: {host!r} can be reached from outside: pass credentials=(user, password), "
                "or --user on the command line"
            )
        self.store: Store = MemoryStore() if store is None else store
        self.host = "127.0.0.1" if host == "localhost" else host
        self.port = http_port
        options = {"credentials": dict([credentials]) if credentials else None, **(smtp or {})}
        self.capture = CaptureServer(self.store, self.host, smtp_port, **options)
        self._release = release
        self._previews = previews
        self._hostnames = frozenset(name.lower() for name in hostnames)
        self._credentials = credentials
        self._web: Any = None
        self._inbox: Any = None
        self._task: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where the page is: `http://127.0.0.1:PORT`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def smtp_url(self) -> str:
        """Where to send: `smtp://127.0.0.1:PORT`."""
        return self.capture.url

    def address(self, mail_id: str) -> str:
        """Return where the page of a mail is."""
        return f"{self.url}/messages/{mail_id}"

    async def start(self) -> None:
        """Listen on both ports, on the running loop."""
        try:
            from .web.app import create_app  # noqa: F401  # asked for here, so that nothing listens yet
            from .web.serving import Web  # noqa: F401
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                f"the inbox needs {error.name}: pip install 'modernmail[inbox]'"
            ) from error
        listening = self._listen()
        try:
            await self.capture.start()
        except BaseException:
            listening.close()
            raise
        try:
            await self._serve(listening)
        except BaseException:
            await self.capture.aclose()
            listening.close()
            raise

    async def _serve(self, listening: socket.socket) -> None:
        from .web.app import Inbox, create_app
        from .web.serving import Web

        self.port = listening.getsockname()[1]
        self._inbox = Inbox(
            self.store,
            smtp_url=self.smtp_url,
            asks_login=self.capture.credentials is not None,
            release=self._release,
            previews=self._previews,
        )
        app = create_app(self._inbox, hostnames=self._hostnames, credentials=self._credentials)
        self._web = Web(app)
        self._task = asyncio.create_task(self._web.serve(sockets=[listening]))
        ready = asyncio.create_task(self._web.ready.wait())
        try:
            await asyncio.wait((self._task, ready), return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():  # it ended instead of listening
                await self._task
                raise ConfigurationError(f"no page could be served on {self.url}")
        except BaseException:
            ready.cancel()
            self._task.cancel()
            self._task = None
            raise

    async def aclose(self) -> None:
        """End both servers and every connection."""
        if self._task is None:
            return
        await self._inbox.watch.end()
        self._web.should_exit = True
        await self._task
        self._task = None
        await self.capture.aclose()

    @property
    def violations(self) -> list[Any]:
        """What broke the page's own Content-Security-Policy: nothing should."""
        return list(self._inbox.violations)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    @classmethod
    @contextlib.contextmanager
    def threaded(cls, store: Store | None = None, **options: Any) -> Iterator[Self]:
        """Run both servers in a thread with its own loop; leaving the block ends them and joins it."""
        server = cls(store, **options)
        with in_thread(server, "modernmail-inbox"):
            yield server

    def _listen(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        try:
            return socket.create_server((self.host, self.port), family=family, backlog=128)
        except OSError as error:
            raise cannot_listen(self.host, self.port, error) from error
