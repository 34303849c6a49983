"""What a test expects of an outbox: mails that come, mails that are there, mails that are queued; said readably.

`Outbox` and the servers of the test kit are made of it. Rules of the file: an assertion that fails shows what
is there, and for each mail what of the expectation it does not meet.
"""

from __future__ import annotations

import asyncio
import threading
import time

from modernmail.address import Address

from .wishes import said, unmet, wishes_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from modernmail.tasks import Ticket

    from .sent_mail import SentMail
    from .wishes import What, Who

_MOST_LISTED = 20


class Expectations:
    """The mails that came, oldest first, and what can be expected of them.

    `to` is any recipient of the envelope, Bcc too; a `subject` that is a str must be the whole subject, a
    compiled pattern may match anywhere in it. Display names and the letter case of domains do not count.
    """

    def __init__(self) -> None:
        self._mails: list[SentMail] = []
        self._queued: list[Ticket] = []
        self._arrived = threading.Condition()

    def add(self, mail: SentMail) -> None:
        """Add a mail at the end."""
        with self._arrived:
            self._mails.append(mail)
            self._arrived.notify_all()

    def add_queued(self, ticket: Ticket) -> None:
        """Note that a mail was queued."""
        with self._arrived:
            self._queued.append(ticket)

    def clear(self) -> None:
        """Forget every mail, sent and queued."""
        with self._arrived:
            self._mails.clear()
            self._queued.clear()

    # -- what is there

    def find(self, *, to: Who = None, subject: What = None, from_email: Who = None) -> list[SentMail]:
        """Return the mails that have all that is given."""
        wishes = wishes_of(to, subject, from_email)
        return [mail for mail in self if not unmet(mail, wishes)]

    def one(self, *, to: Who = None, subject: What = None, from_email: Who = None) -> SentMail:
        """Return the one mail that has all that is given.

        Raises `AssertionError`, with the mails that are there, when there is none or more than one.
        """
        __tracebackhide__ = True
        return self.assert_sent(1, to=to, subject=subject, from_email=from_email)[0]

    @property
    def queued(self) -> list[Ticket]:
        """The tickets of the mails that were queued, sent since or not."""
        return list(self._queued)

    # -- what comes

    def wait_for(
        self, *, to: Who = None, subject: What = None, from_email: Who = None, timeout: float = 5.0
    ) -> SentMail:
        """Return the first mail that has all that is given, as soon as it is there: another thread may send it.

        Raises `AssertionError`, with the mails that are there, when none came in `timeout` seconds.
        """
        __tracebackhide__ = True
        deadline = time.monotonic() + timeout
        with self._arrived:
            while not (found := self.find(to=to, subject=subject, from_email=from_email)):
                if (
                    not self._arrived.wait(max(0.0, deadline - time.monotonic()))
                    and time.monotonic() >= deadline
                ):
                    break
        return self._first(found, wishes_of(to, subject, from_email), timeout)

    async def await_for(
        self,
        *,
        to: Who = None,
        subject: What = None,
        from_email: Who = None,
        timeout: float = 5.0,  # noqa: ASYNC109 - as wait_for
    ) -> SentMail:
        """Return the first mail that has all that is given, as `wait_for`, without blocking the event loop."""
        __tracebackhide__ = True
        deadline = time.monotonic() + timeout
        while not (found := self.find(to=to, subject=subject, from_email=from_email)):
            if time.monotonic() >= deadline:
                break
            await asyncio.sleep(0.005)
        return self._first(found, wishes_of(to, subject, from_email), timeout)

    def _first(self, found: list[SentMail], wishes: dict[str, object], timeout: float) -> SentMail:
        __tracebackhide__ = True
        if not found:
            raise AssertionError(f"no mail{said(wishes)} came within {timeout:g} s; {self._listing(wishes)}")
        return found[0]

    # -- what is expected

    def assert_sent(
        self, count: int | None = None, *, to: Who = None, subject: What = None, from_email: Who = None
    ) -> list[SentMail]:
        """Return the mails that have all that is given; raises `AssertionError` unless there are `count` (or any)."""
        __tracebackhide__ = True
        wishes = wishes_of(to, subject, from_email)
        found = self.find(to=to, subject=subject, from_email=from_email)
        if (count is None and found) or len(found) == count:
            return found
        wanted = {None: "a mail", 1: "one mail"}.get(count, f"{count} mails")
        raise AssertionError(
            f"expected {wanted}{said(wishes)}, found {len(found) or 'none'}; {self._listing(wishes)}"
        )

    def assert_nothing_sent(self) -> None:
        """Raise `AssertionError` if there is any mail."""
        __tracebackhide__ = True
        if len(self):
            raise AssertionError(f"expected no mail; {self._listing({})}")

    def assert_queued(self, count: int | None = None, *, to: Who = None) -> list[Ticket]:
        """Return the tickets of queued mails; raises `AssertionError` unless there are `count` (or any)."""
        __tracebackhide__ = True
        key = None if to is None else Address.of(to, "to").key
        found = [
            ticket
            for ticket in self._queued
            if key is None or key in (address.key for address in ticket.envelope.addresses)
        ]
        if (count is None and found) or len(found) == count:
            return found
        wanted = {None: "a queued mail", 1: "one queued mail"}.get(count, f"{count} queued mails")
        raise AssertionError(
            f"expected {wanted}{said(wishes_of(to, None, None))}, found {len(found) or 'none'}; {self._queue()}"
        )

    def assert_outgoing(self, count: int) -> None:
        """Raise `AssertionError` unless `count` mails were sent or queued; one that was both counts once."""
        __tracebackhide__ = True
        if len(self._outgoing()) != count:
            found = len(self._outgoing())
            raise AssertionError(
                f"expected {count} outgoing mails, found {found}; {self._listing({})}\n{self._queue()}"
            )

    def assert_nothing_outgoing(self) -> None:
        """Raise `AssertionError` if any mail was sent or queued."""
        __tracebackhide__ = True
        self.assert_outgoing(0)

    def _outgoing(self) -> set[str]:
        sent = {mail.header("Message-ID") or f"#{number}" for number, mail in enumerate(self)}
        return sent | {f"<{ticket.message_id.strip('<>')}>" for ticket in self._queued}

    def _queue(self) -> str:
        if not self._queued:
            return "nothing is queued"
        lines = (
            f"  {ticket.message_id} to {', '.join(ticket.envelope.recipients)}" for ticket in self._queued
        )
        return "\n".join((f"{len(self._queued)} are queued:", *lines))

    def _listing(self, wishes: dict[str, object]) -> str:
        mails = list(self)
        if not mails:
            return "the outbox is empty"
        lines = [f"the outbox holds {len(mails)}:"]
        nobody = all(unmet(mail, wishes) for mail in mails)
        for number, mail in enumerate(mails[:_MOST_LISTED]):
            missed = unmet(mail, wishes)
            mark = " " if missed or not wishes else "*"
            lines.append(f"{mark} {number}. {mail.subject!r} to {', '.join(mail.recipients)}")
            if nobody:
                lines += [f"       {line}" for line in missed]
        if len(mails) > _MOST_LISTED:
            lines.append(f"  and {len(mails) - _MOST_LISTED} more")
        return "\n".join(lines)

    def __iter__(self) -> Iterator[SentMail]:
        return iter(tuple(self._mails))

    def __len__(self) -> int:
        return len(self._mails)

    def __getitem__(self, position: int) -> SentMail:
        return self._mails[position]

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self._listing({})}>"
