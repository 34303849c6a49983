"""Outbox: where every mail of a test goes, in the order of sending.

The fixture of this name makes one and lets it step in between mailers and their backends.

Rules of the file: any number of threads and event loops may send at once; what was iterated over is a snapshot.
"""

from __future__ import annotations

import re

from modernmail.address import Address
from modernmail.backends.backend import Backend, accepted

from .sent_mail import SentMail

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from modernmail.parcel import Parcel
    from modernmail.receipt import Receipt
    from modernmail.runtime import IO


class OutboxBackend(Backend):
    """Puts every parcel into an outbox."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    async def send(self, parcel: Parcel, io: IO) -> Receipt:
        """Keep the mail; files that it streams are read now, as a server would have had them."""
        content = bytes(parcel.content)
        if io.commit_point is not None:
            await io.commit_point(parcel)
        receipt = accepted(parcel, "kept by the fixture outbox")
        self._outbox.add(SentMail(content, parcel.envelope, receipt))
        return receipt


class Outbox:
    """The mails that were sent, oldest first: iterate over it, index it, take its `len`.

    >>> from modernmail import Mailer, Message
    >>> outbox = Outbox()
    >>> receipt = Mailer(outbox.backend).send(
    ...     Message("Hi", "See https://example.com/a", from_email="me@example.com", to="zoe@example.com")
    ... )
    >>> outbox.one(to="zoe@example.com").links()
    ['https://example.com/a']
    """

    def __init__(self) -> None:
        self._mails: list[SentMail] = []
        self.backend: Backend = OutboxBackend(self)

    def add(self, mail: SentMail) -> None:
        """Add a mail at the end."""
        self._mails.append(mail)

    def clear(self) -> None:
        """Forget every mail."""
        self._mails.clear()

    def find(
        self,
        *,
        to: str | Address | None = None,
        subject: str | re.Pattern[str] | None = None,
        from_email: str | Address | None = None,
    ) -> list[SentMail]:
        """Return the mails that have all that is given.

        `to` is any recipient of the envelope, Bcc too; a `subject` that is a str must be the whole subject, a compiled
        pattern may match anywhere in it. Display names and the letter case of domains do not count.
        """
        found = list(self._mails)
        if to is not None:
            key = Address.of(to, "to").key
            found = [mail for mail in found if key in (address.key for address in mail.envelope.addresses)]
        if from_email is not None:
            author = Address.of(from_email, "from_email").key
            found = [mail for mail in found if mail.from_email is not None and mail.from_email.key == author]
        if isinstance(subject, re.Pattern):
            found = [mail for mail in found if subject.search(mail.subject)]
        elif subject is not None:
            found = [mail for mail in found if mail.subject == subject]
        return found

    def one(
        self,
        *,
        to: str | Address | None = None,
        subject: str | re.Pattern[str] | None = None,
        from_email: str | Address | None = None,
    ) -> SentMail:
        """Return the one mail that has all that is given; the arguments are those of `find`.

        Raises `AssertionError`, with the mails that are there, when there is none or more than one.
        """
        __tracebackhide__ = True
        found = self.find(to=to, subject=subject, from_email=from_email)
        if len(found) == 1:
            return found[0]
        wishes = {"to": to, "subject": subject, "from_email": from_email}
        wanted = " and ".join(f"{name}={_shown(wish)}" for name, wish in wishes.items() if wish is not None)
        raise AssertionError(
            f"expected one mail{' with ' + wanted if wanted else ''}, found {len(found) or 'none'}; "
            f"{self._listing(found)}"
        )

    def _listing(self, found: list[SentMail]) -> str:
        mails = list(self._mails)
        if not mails:
            return "the outbox is empty"
        lines = [
            f"{'*' if mail in found else ' '} {number}. {mail.subject!r} to {', '.join(mail.recipients)}"
            for number, mail in enumerate(mails)
        ]
        return "\n".join((f"the outbox holds {len(mails)}:", *lines))

    def __iter__(self) -> Iterator[SentMail]:
        return iter(tuple(self._mails))

    def __len__(self) -> int:
        return len(self._mails)

    def __getitem__(self, position: int) -> SentMail:
        return self._mails[position]

    def __repr__(self) -> str:
        return f"<Outbox: {self._listing([])}>"


def _shown(wish: object) -> str:
    return f"re.compile({wish.pattern!r})" if isinstance(wish, re.Pattern) else repr(str(wish))
