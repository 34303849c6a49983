"""An SMTP server that takes mail for good or ill at random, and keeps its own account of what it took.

Every transaction meets one fate, drawn from a seeded generator: most are taken; some recipients are told to come
later; some connections break before, within or right after the content, or between the final dot and its reply.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from typing import TYPE_CHECKING
from weakref import WeakSet

from serving import ending

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

FATES = {
    "take": 0.90,
    "later at RCPT": 0.03,
    "later after the dot": 0.02,
    "421 at DATA": 0.01,
    "drop at RCPT": 0.01,
    "drop in the content": 0.01,
    "drop at the dot": 0.01,
    "take and drop": 0.01,
}


class MisbehavingServer:
    """`taken` counts how often each recipient's mail was taken responsibility for; `fates` what was done.

    `delay` is how many seconds each content takes to be judged.
    """

    def __init__(self, seed: int, delay: float) -> None:
        self._random = random.Random(seed)
        self._delay = delay
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: WeakSet[asyncio.StreamWriter] = WeakSet()
        self.taken: Counter[str] = Counter()
        self.fates: Counter[str] = Counter()

    def __enter__(self) -> Self:
        self._thread.start()
        self.port = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _start(self) -> int:
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0, limit=1 << 20)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _stop(self) -> None:
        async with ending(self._server):
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            for writer in list(self._writers):
                writer.transport.abort()  # who was killed reads no more

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            await self._converse(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # workers are killed in mid-sentence
        finally:
            writer.close()
            self._tasks.discard(task)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 misbehaving.test\r\n")
        recipients: list[str] = []
        fate = "take"
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"EHLO":
                writer.write(b"250-misbehaving.test\r\n250-PIPELINING\r\n250 8BITMIME\r\n")
            elif verb == b"MAIL":
                recipients = []
                (fate,) = self._random.choices(list(FATES), FATES.values())
                self.fates[fate] += 1
                writer.write(b"250 ok\r\n")
            elif verb == b"RCPT":
                if fate == "drop at RCPT":
                    return
                if fate == "later at RCPT" and self._random.random() < 0.7:
                    writer.write(b"450 4.2.1 come back\r\n")
                else:
                    recipients.append(line.partition(b"<")[2].partition(b">")[0].decode())
                    writer.write(b"250 ok\r\n")
            elif verb == b"DATA":
                if fate == "421 at DATA":
                    writer.write(b"421 4.3.2 going away\r\n")
                    return
                if not recipients:
                    writer.write(b"554 no valid recipients\r\n")
                    continue
                writer.write(b"354 go ahead\r\n")
                if not await self._content(reader, writer, recipients, fate):
                    return
            elif verb == b"QUIT":
                writer.write(b"221 bye\r\n")
                return
            else:
                writer.write(b"250 ok\r\n")

    async def _content(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, recipients: list[str], fate: str
    ) -> bool:
        """Take the content as fate will have it; False when the connection is to be dropped."""
        if fate == "drop in the content":
            await reader.readline()
            return False
        await reader.readuntil(b"\r\n.\r\n")
        if self._delay:
            await asyncio.sleep(self._delay)
        if fate == "drop at the dot":
            return False
        if fate == "later after the dot":
            writer.write(b"451 4.3.0 try again\r\n")
            return True
        self.taken.update(recipients)
        if fate == "take and drop":
            return False
        writer.write(b"250 2.0.0 taken\r\n")
        return True
