"""`modernmail.tasks.send_mail`: the one-liner, queued.

It is used as a task is (`send_mail.enqueue(...)`, `send_mail.using(...)`), but goes through the outbox, so
that it is retried by recipient and never sent twice behind your back; `enqueue` returns a `Ticket`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from modernmail import api
from modernmail.message import Message

from .outbox import aenqueue, enqueue

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from modernmail.message import AttachmentLike, Mailbox, Mailboxes

    from .ticket import Ticket

    Headers = Mapping[str, str] | Iterable[tuple[str, str]] | None


@dataclass(frozen=True)
class SendMail:
    """`send_mail` with settings for the queue; made by `using`."""

    settings: dict[str, Any] = field(default_factory=dict)

    call = staticmethod(api.send_mail)
    acall = staticmethod(api.asend_mail)

    def using(self, **settings: Any) -> SendMail:
        """Return the same with some of `MailOptions` set, such as `run_after`, `priority` or
        `idempotency_key`."""
        return SendMail({**self.settings, **settings})

    def enqueue(
        self,
        subject: str,
        message: str,
        from_email: Mailbox | None,
        recipient_list: Mailboxes,
        *,
        html_message: str | None = None,
        cc: Mailboxes = (),
        bcc: Mailboxes = (),
        reply_to: Mailboxes = (),
        attachments: Iterable[AttachmentLike] = (),
        headers: Headers = None,
        using: str | None = None,
    ) -> Ticket:
        """Queue one mail and return its ticket; the arguments are those of `modernmail.send_mail`."""
        mail = Message(
            subject, message, html_message, from_email=from_email, to=recipient_list, cc=cc, bcc=bcc, reply_to=reply_to,
            attachments=attachments, headers=headers,
        )  # fmt: skip
        return enqueue(mail, **self._options(using))

    async def aenqueue(
        self,
        subject: str,
        message: str,
        from_email: Mailbox | None,
        recipient_list: Mailboxes,
        *,
        html_message: str | None = None,
        cc: Mailboxes = (),
        bcc: Mailboxes = (),
        reply_to: Mailboxes = (),
        attachments: Iterable[AttachmentLike] = (),
        headers: Headers = None,
        using: str | None = None,
    ) -> Ticket:
        """Queue one mail without blocking the event loop, and return its ticket."""
        mail = Message(
            subject, message, html_message, from_email=from_email, to=recipient_list, cc=cc, bcc=bcc, reply_to=reply_to,
            attachments=attachments, headers=headers,
        )  # fmt: skip
        return await aenqueue(mail, **self._options(using))

    def _options(self, using: str | None) -> dict[str, Any]:
        """Return the settings; a mailer that is named here counts before the one named in `using()`."""
        return self.settings if using is None else {**self.settings, "using": using}


send_mail = SendMail()
