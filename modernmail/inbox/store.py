"""Where caught mail is kept: what a store must do, and the one that keeps it in memory.

Rules of the file: a store may be used by several threads at once; a mail that `add` returned for is there for
every later call; iteration gives the mails in the order they came.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .mail import CapturedMail


class MailNotFound(LookupError):
    """No mail with this id is kept: it never was, was deleted, or made room for newer ones."""

    def __init__(self, mail_id: str) -> None:
        super().__init__(f"no mail {mail_id!r} in this inbox")
        self.mail_id = mail_id


class Store(Protocol):
    """What the capture server and the pages need of a store.

    `blocks` says whether `add` may wait for a disk: then the servers call it in a thread.
    """

    blocks: bool

    def add(self, mail: CapturedMail) -> None:
        """Keep `mail`; an OSError means that nothing of it was kept."""

    def get(self, mail_id: str) -> CapturedMail:
        """Return the mail, or raise `MailNotFound`."""

    def __iter__(self) -> Iterator[CapturedMail]: ...

    def __len__(self) -> int: ...

    def clear(self) -> None:
        """Forget every mail."""


class MemoryStore:
    """Keeps the newest `limit` mails in memory: for tests and demonstrations.

    >>> from modernmail.inbox import CapturedMail
    >>> store = MemoryStore(limit=1)
    >>> store.add(CapturedMail("a@example.com", ("b@example.com",), b"Subject: 1"))
    >>> store.add(CapturedMail("a@example.com", ("b@example.com",), b"Subject: 2"))
    >>> [mail.content for mail in store]
    [b'Subject: 2']
    """

    blocks = False

    def __init__(self, *, limit: int = 10_000) -> None:
        self._mails: deque[CapturedMail] = deque(maxlen=limit)
        self._lock = threading.Lock()

    def add(self, mail: CapturedMail) -> None:
        """Keep `mail`, in place of the oldest one when the store is full."""
        with self._lock:
            self._mails.append(mail)

    def get(self, mail_id: str) -> CapturedMail:
        """Return the mail, or raise `MailNotFound`."""
        for mail in self:
            if mail.id == mail_id:
                return mail
        raise MailNotFound(mail_id)

    def __iter__(self) -> Iterator[CapturedMail]:
        with self._lock:
            return iter(tuple(self._mails))

    def __len__(self) -> int:
        return len(self._mails)

    def clear(self) -> None:
        """Forget every mail."""
        with self._lock:
            self._mails.clear()
