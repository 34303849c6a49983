"""MemoryStore: mails in memory, for tests and demonstrations."""

from __future__ import annotations

from .contents import MemoryContents
from .index import Index
from .store import Store


class MemoryStore(Store):
    """Keeps the newest `limit` mails in memory, of `max_octets` together: for tests and demonstrations.

    >>> from modernmail.inbox import CapturedMail
    >>> store = MemoryStore(limit=1)
    >>> one = store.add(CapturedMail("a@example.com", ("b@example.com",), b"Subject: 1"))
    >>> two = store.add(CapturedMail("a@example.com", ("b@example.com",), b"Subject: 2"))
    >>> [mail.content for mail in store], store.find("subject:2")[0].id == two.id
    ([b'Subject: 2'], True)
    """

    blocks = False

    def __init__(
        self, *, limit: int = 10_000, max_age: float | None = None, max_octets: int | None = 1_000_000_000
    ) -> None:
        super().__init__(
            Index(":memory:"), MemoryContents(), limit=limit, max_age=max_age, max_octets=max_octets
        )
