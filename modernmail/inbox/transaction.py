"""The mail transaction of the capture server: MAIL, RCPT and DATA, kept as they were said.

The session (`protocol.py`) is made of it, since aiosmtpd finds commands by the names of methods. Imported late: it
needs the `inbox` extra.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from aiosmtpd.smtp import SMTP

from .content import ContentNotKept, read_content
from .mail import CapturedMail
from .path import InvalidPath, check_ascii, parameter_names, parse_path

if TYPE_CHECKING:
    import asyncio

    from aiosmtpd.smtp import Session

    from .capture import CaptureServer

log = logging.getLogger("modernmail.inbox")

_MAIL_PARAMETERS = frozenset({"BODY", "SIZE", "SMTPUTF8", "RET", "ENVID", "AUTH"})
_RCPT_PARAMETERS = frozenset({"NOTIFY", "ORCPT"})


@dataclass(slots=True)
class _Transaction:
    return_path: str
    options: tuple[str, ...]
    utf8: bool
    recipients: list[str] = field(default_factory=list)
    recipient_options: list[tuple[str, ...]] = field(default_factory=list)


class TransactionCommands(SMTP):
    """The commands that make a mail, and the replies to them."""

    _owner: CaptureServer
    _user: str | None = None
    _held = b""
    _transaction: _Transaction | None = None

    async def push(self, status: str | bytes) -> None:
        """Send a reply, and those held back before it; that a password is wrong is said when it is its turn."""
        if isinstance(status, str) and status.startswith("535"):
            await self._owner.guesses.wrong()
        held, self._held = self._held, b""
        await super().push(held + (status.encode("utf-8") if isinstance(status, str) else status))

    async def _answer(self, reply: str) -> None:
        """Send a reply, or hold it back while the client's next command is here already (RFC 2920 3.2)."""
        if b"\n" in self._reader._buffer:  # type: ignore[attr-defined]
            self._held += reply.encode("utf-8") + b"\r\n"
        else:
            await self.push(reply)

    async def smtp_HELO(self, hostname: str) -> None:
        """HELO resets."""
        self._transaction = None
        await super().smtp_HELO(hostname)

    async def smtp_EHLO(self, hostname: str) -> None:
        """EHLO resets."""
        self._transaction = None
        await super().smtp_EHLO(hostname)

    async def smtp_RSET(self, arg: str) -> None:
        """RSET resets."""
        self._transaction = None
        await super().smtp_RSET(arg)

    async def smtp_MAIL(self, arg: str | None) -> None:
        """MAIL FROM:<reverse-path> [parameters]."""
        if await self.check_helo_needed() or await self.check_auth_needed("MAIL"):
            return
        if self._transaction is not None:
            await self._answer("503 5.5.1 A mail is already under way")
            return
        try:
            path, options = parse_path("FROM", arg)
            names = parameter_names(options, _MAIL_PARAMETERS)
            check_ascii(path, utf8="SMTPUTF8" in names)
        except InvalidPath as error:
            await self._answer(error.reply)
            return
        size = next((option[5:] for option in options if option[:5].upper() == "SIZE="), "0")
        if size.isdecimal() and int(size[:20]) > self._owner.max_size:
            await self._answer(f"552 5.3.4 More than the {self._owner.max_size} octets this server takes")
            return
        self._transaction = _Transaction(path, options, "SMTPUTF8" in names)
        await self._answer("250 2.1.0 Sender ok")

    async def smtp_RCPT(self, arg: str | None) -> None:
        """RCPT TO:<forward-path> [parameters]."""
        if await self.check_helo_needed() or await self.check_auth_needed("RCPT"):
            return
        transaction = self._transaction
        if transaction is None:
            await self._answer("503 5.5.1 MAIL comes first")
            return
        try:
            path, options = parse_path("TO", arg)
            parameter_names(options, _RCPT_PARAMETERS)
            check_ascii(path, utf8=transaction.utf8)
        except InvalidPath as error:
            await self._answer(error.reply)
            return
        if not path:
            await self._answer("501 5.1.3 A recipient cannot be empty")
            return
        if len(transaction.recipients) >= self._owner.max_recipients:
            await self._answer("452 4.5.3 Too many recipients")  # RFC 5321 4.5.3.1.10
            return
        refusal = self._owner.refusal_of(path)
        if refusal is not None:
            await self._answer(refusal)
            return
        transaction.recipients.append(path)
        transaction.recipient_options.append(options)
        await self._answer("250 2.1.5 Recipient ok")

    async def smtp_DATA(self, arg: str | None) -> None:
        """DATA, the content, and a line with one dot."""
        if await self.check_helo_needed() or await self.check_auth_needed("DATA"):
            return
        if arg:
            await self._answer("501 5.5.4 Syntax: DATA")
            return
        transaction = self._transaction
        if transaction is None or not transaction.recipients:
            await self._answer("503 5.5.1 RCPT comes first" if transaction else "503 5.5.1 MAIL comes first")
            return
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        self._transaction = None
        with self._owner.incoming.part() as more:
            try:
                content = await read_content(self._reader, self._owner.max_size, more, self._reset_timeout)
            except ContentNotKept as error:
                reply = error.reply
            else:
                reply = await self._keep(transaction, content)
        await self._answer(reply)

    async def _keep(self, transaction: _Transaction, content: bytes) -> str:
        session = cast("Session", self.session)
        cipher = cast("asyncio.Transport", self.transport).get_extra_info("cipher")
        mail = CapturedMail(
            return_path=transaction.return_path,
            recipients=tuple(transaction.recipients),
            content=content,
            peer=str(session.peer[0]) if session.peer else None,
            helo=_readable(session.host_name),
            tls=str(cipher[1]) if cipher else None,
            user=self._user,
            options=transaction.options,
            recipient_options=tuple(transaction.recipient_options),
        )
        try:
            await self._owner.keep(mail)
        except OSError as error:
            log.error("a mail of %d octets was not kept: %s", mail.size, error)
            return "452 4.3.1 Not enough room to keep this mail, nothing of it was kept"
        return f"250 2.0.0 Ok: queued as {mail.id}"


def _readable(name: str | None) -> str | None:
    """Return a name with U+FFFD for octets that are no UTF-8, which aiosmtpd gives as lone surrogates."""
    return name and name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
