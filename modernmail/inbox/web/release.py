"""Release: a caught mail goes out to real people after all, to those alone who are on a list."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from modernmail.content import Content
from modernmail.envelope import Envelope
from modernmail.errors import ConfigurationError, InvalidAddress
from modernmail.grammar.wireform import fault_of
from modernmail.message import Message
from modernmail.parcel import Parcel
from modernmail.reading import read

if TYPE_CHECKING:
    from collections.abc import Iterable

    from modernmail.inbox.mail import CapturedMail
    from modernmail.mailer import Mailer
    from modernmail.receipt import Receipt


class Release:
    """Sends caught mails by `mailer` to addresses that match one of `allow` (`*@example.com`)."""

    def __init__(self, mailer: Mailer | None, allow: Iterable[str] = ()) -> None:
        self.mailer = mailer
        self.allow = tuple(pattern.lower() for pattern in allow)

    @property
    def is_possible(self) -> bool:
        """Whether there is a mailer, and anybody it may send to."""
        return self.mailer is not None and bool(self.allow)

    def permits(self, address: str) -> bool:
        """Return whether `address` is on the list."""
        return any(fnmatchcase(address.lower(), pattern) for pattern in self.allow)

    def permitted(self, addresses: Iterable[str]) -> list[str]:
        """Return those of `addresses` that are on the list."""
        return [address for address in addresses if self.permits(address)]

    async def send(self, mail: CapturedMail, recipients: Iterable[str]) -> Receipt:
        """Send the bytes of `mail` to `recipients`: unchanged, unless they could be two mails for some server, or name blind
        copies; such a mail goes out as `Message.from_bytes` reads it.

        Raises `ConfigurationError` when releasing is not set up, `InvalidAddress` for a recipient that is not
        on the list, and what the mailer raises.
        """
        if self.mailer is None or not self.allow:
            raise ConfigurationError(
                "nothing may be released: start the inbox with --release-url and --release-allow"
            )
        chosen = list(dict.fromkeys(recipients))
        for address in chosen:
            if not self.permits(address):
                raise InvalidAddress(
                    "to", address, f"not on the list of those to release to: {', '.join(self.allow)}"
                )
        envelope = Envelope(mail.return_path, chosen)
        async with self.mailer as mailer:  # nothing stays open between two releases
            if fault_of(mail.content):
                return await mailer.asend(Message.from_bytes(mail.content), envelope=envelope)
            content = Content.of(
                mail.content, is_8bit=not mail.content.isascii(), is_utf8="SMTPUTF8" in mail.options
            )
            return await mailer.asend(Parcel(envelope, content, read(mail.content).message_id))
