"""Where caught mail is kept, listed, searched and waited for: `MemoryStore` and `DiskStore` say where.

Rules of the file: a store may be used by several threads at once; a mail that `add` returned for is there for
every later call; numbers (`seq`) only grow, so that "what came since" has one meaning; a disk that is full is
an OSError (ENOSPC), and what needs no room still works.
"""

from __future__ import annotations

import contextlib
import errno
import sqlite3
import threading
import time
from typing import TYPE_CHECKING, Self

from modernmail.errors import MailNotFound

from .search import term
from .summary import Summary, summarise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .contents import Contents
    from .index import Index
    from .mail import CapturedMail

_OTHER_PROCESSES = 0.05  # seconds between two looks at what they did


class Store:
    """What both kinds of store do. `blocks` says whether `add` waits for a disk: servers call it in a thread.

    `limit` is the number of mails kept, `max_octets` their size together, `max_age` their age in seconds (None:
    any); older ones make room, and the newest is always kept.
    """

    blocks: bool

    def __init__(
        self, index: Index, contents: Contents, *, limit: int, max_age: float | None, max_octets: int | None
    ) -> None:
        self.limit = limit
        self.max_octets = max_octets
        self.max_age = max_age
        self._index = index
        self._contents = contents
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._changes = 0

    # -- writing

    def add(self, mail: CapturedMail) -> Summary:
        """Keep `mail` and return its summary; an OSError means that nothing of it was kept."""
        words = summarise(mail)
        self._contents.prepare(mail.id, mail.content)
        with self._lock:
            try:
                self._index.begin()
                seq = self._index.insert(mail, words)
                self._contents.keep(mail.id)
                surplus = self._surplus()
                self._index.delete(surplus)
                self._index.commit()
            except BaseException as error:
                try:
                    self._index.rollback()
                finally:  # of an index that another thread has closed nothing can be undone
                    self._contents.drop(mail.id)
                raise _told(error) from error
            self._after_change(surplus)
        return _numbered(words.summary, seq)

    def replace(self, mail: CapturedMail) -> Summary:
        """Keep `mail` in the place of the one with its id, if there is one: nobody sees neither of them."""
        with self._lock:
            self.delete(term("id", mail.id))
            return self.add(mail)

    def delete(self, query: str = "") -> int:
        """Forget what `query` finds (everything, when it is empty) and return how many that were."""
        with self._lock:
            rows = self._rows(query)
            try:
                self._write(lambda: self._index.delete(rows))
            except OSError:
                # The index has no room to note the deletion, so the contents make some. Should we die here,
                # the list has mails that cannot be opened, and that can be deleted.
                self._drop(rows)
                self._write(lambda: self._index.delete(rows))
            self._after_change(rows)
        return len(rows)

    def clear(self) -> None:
        """Forget every mail."""
        self.delete()

    def mark(self, query: str = "", *, seen: bool = True) -> None:
        """Mark what `query` finds as seen, or as unseen."""
        with self._lock:
            self._write(lambda: self._index.mark(query, seen=seen))
            self._after_change([])

    # -- reading

    def get(self, mail_id: str) -> CapturedMail:
        """Return the mail with its content; raises `MailNotFound`."""
        import dataclasses

        with self._lock:
            found = self._index.get(mail_id)
            content = self._contents.get(mail_id) if found else None
        if found is None or content is None:
            raise MailNotFound(mail_id)
        return dataclasses.replace(found[1], content=content)

    def summary(self, mail_id: str) -> Summary:
        """Return one line about the mail; raises `MailNotFound`."""
        with self._lock:
            found = self._index.get(mail_id)
        if found is None:
            raise MailNotFound(mail_id)
        return found[0]

    def find(self, query: str = "", *, limit: int = 50, start: int = 0, after: int = 0) -> list[Summary]:
        """Return the mails that `query` finds, newest first; raises `InvalidSearch`.

        At most `limit`, the first `start` left out; only those that came after number `after`.
        """
        with self._reading():
            return self._index.find(query, limit=limit, start=start, after=after)

    def first(self, query: str = "", *, after: int = 0) -> Summary | None:
        """Return the oldest mail past number `after` that `query` finds, or None."""
        with self._reading():
            return self._index.first(query, after=after)

    def count(self, query: str = "") -> int:
        """Return how many mails `query` finds."""
        with self._reading():
            return self._index.count(query)

    def neighbours(self, summary: Summary, query: str = "") -> tuple[str | None, str | None]:
        """Return the ids of the next newer and the next older mail among what `query` finds."""
        with self._reading():
            return self._index.neighbours(summary.seq, query)

    def tags(self) -> dict[str, int]:
        """Return every tag in use, sorted, and of how many mails."""
        with self._lock:
            return self._index.tags()

    @property
    def last(self) -> int:
        """The number of the newest mail that ever came: where "since now" begins."""
        with self._lock:
            return self._index.last()

    def __iter__(self) -> Iterator[CapturedMail]:
        """Give the mails in the order they came."""
        with self._lock:
            rows = self._index.rows()
        for _, mail_id in rows:
            try:
                yield self.get(mail_id)
            except MailNotFound:
                continue  # deleted since

    def __len__(self) -> int:
        return self.count()

    # -- waiting

    @property
    def version(self) -> tuple[int, int]:
        """A value that differs after every change, whichever process made it."""
        with self._lock:
            return self._changes, self._index.data_version()

    def wait(self, query: str = "", *, after: int = 0, timeout: float = 10.0) -> Summary | None:
        """Return the oldest mail past number `after` that `query` finds, as soon as there is one.

        None when `timeout` seconds pass without. Asking again with the found `seq` gives the next one.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                version = self.version
                found = self.first(query, after=after)
                if found is not None:
                    return found
                while version == self.version:
                    left = deadline - time.monotonic()
                    if left <= 0:
                        return None
                    self._changed.wait(min(left, _OTHER_PROCESSES))

    # -- life

    def close(self) -> None:
        """Close the index; the mails stay where they are."""
        with self._lock:
            self._index.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _rows(self, query: str) -> list[tuple[int, str]]:
        with self._reading():
            return self._index.rows(query)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        """Hold the lock; a search for words may have to write (the index of words), which may find no room."""
        with self._lock:
            try:
                yield
            except sqlite3.OperationalError as error:
                raise _told(error) from error

    def _surplus(self) -> list[tuple[int, str]]:
        oldest = None if self.max_age is None else time.time() - self.max_age
        return self._index.surplus(self.limit, oldest, self.max_octets)

    def _write(self, change: Callable[[], None]) -> None:
        try:
            self._index.begin()
            change()
            self._index.commit()
        except BaseException as error:
            self._index.rollback()
            raise _told(error) from error

    def _drop(self, rows: list[tuple[int, str]]) -> None:
        for _, mail_id in rows:
            self._contents.drop(mail_id)

    def _after_change(self, dropped: list[tuple[int, str]]) -> None:
        self._drop(dropped)
        self._changes += 1
        self._changed.notify_all()


def _numbered(summary: Summary, seq: int) -> Summary:
    import dataclasses

    return dataclasses.replace(summary, seq=seq)


def _told(error: BaseException) -> BaseException:
    """Return `error`; the one that says that there is no room as the OSError that files have for it."""
    if isinstance(error, sqlite3.OperationalError) and "full" in str(error):
        return OSError(errno.ENOSPC, str(error))
    return error
