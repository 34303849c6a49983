"""The header side of a message: from whom, to whom, about what, and how its delivery should be reported.

`Message` inherits it and holds the slots.

Rules of the file: each value is checked when it is set; addresses are kept as tuples of `Address`.
"""

from __future__ import annotations

from .address import Address
from .envelope import DSN, once, reverse_path
from .errors import InvalidHeader
from .grammar.characters import refusal, text_of
from .headers import Headers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Self, TypeAlias

    Mailbox: TypeAlias = str | Address
    from .unsubscribe.way import Link, UnsubscribeWay

    Mailboxes: TypeAlias = str | Address | Iterable[str | Address]


class Heading:
    """What the header of a message says, apart from what its parts are."""

    if not TYPE_CHECKING:
        __slots__ = ()  # those of `Message` hold everything

    _subject: str
    _from: tuple[Address, ...]
    _to: tuple[Address, ...]
    _cc: tuple[Address, ...]
    _bcc: tuple[Address, ...]
    _reply_to: tuple[Address, ...]
    _sender: Address | None
    _return_path: Address | str | None
    _headers: Headers | None
    _dsn: DSN | None
    _require_tls: bool
    _unsubscribe: UnsubscribeWay | None

    @property
    def subject(self) -> str:
        """The subject as text; what looks like an encoded-word in it arrives literally."""
        return self._subject

    @subject.setter
    def subject(self, subject: str) -> None:
        self._subject = checked_subject(subject)

    @property
    def from_email(self) -> Address | tuple[Address, ...] | None:
        """The author: one address, a tuple of several, or None for the mailer's default."""
        return None if not self._from else self._from[0] if len(self._from) == 1 else self._from

    @from_email.setter
    def from_email(self, from_email: Mailboxes | None) -> None:
        self._from = () if from_email is None else Address.many(from_email, "from_email")

    @property
    def to(self) -> tuple[Address, ...]:
        """The recipients named in To."""
        return self._to

    @to.setter
    def to(self, to: Mailboxes) -> None:
        self._to = Address.many(to, "to")

    @property
    def cc(self) -> tuple[Address, ...]:
        """The recipients named in Cc."""
        return self._cc

    @cc.setter
    def cc(self, cc: Mailboxes) -> None:
        self._cc = Address.many(cc, "cc")

    @property
    def bcc(self) -> tuple[Address, ...]:
        """The recipients that no header names."""
        return self._bcc

    @bcc.setter
    def bcc(self, bcc: Mailboxes) -> None:
        self._bcc = Address.many(bcc, "bcc")

    @property
    def reply_to(self) -> tuple[Address, ...]:
        """Where answers go."""
        return self._reply_to

    @reply_to.setter
    def reply_to(self, reply_to: Mailboxes) -> None:
        self._reply_to = Address.many(reply_to, "reply_to")

    @property
    def sender(self) -> Address | None:
        """Who sends, when that is not the author (RFC 5322 3.6.2)."""
        return self._sender

    @sender.setter
    def sender(self, sender: Mailbox | None) -> None:
        self._sender = None if sender is None else Address.of(sender, "sender")

    @property
    def return_path(self) -> str | None:
        """The envelope's reverse-path: an addr-spec, `""` for the null path, None for the default."""
        path = self._return_path
        return path if path is None or isinstance(path, str) else path.addr_spec

    @return_path.setter
    def return_path(self, return_path: Mailbox | None) -> None:
        self._return_path = checked_return_path(return_path)

    @property
    def headers(self) -> Headers:
        """The extra header fields; a change to them is a change to the message."""
        if self._headers is None:
            self._headers = Headers()
        return self._headers

    @headers.setter
    def headers(self, headers: Mapping[str, str] | Iterable[tuple[str, str]]) -> None:
        self._headers = Headers(headers)

    @property
    def recipients(self) -> tuple[str, ...]:
        """Everybody the envelope will name: To, Cc and Bcc as addr-specs, each once."""
        return tuple(address.addr_spec for address in once(self._to + self._cc + self._bcc))

    @property
    def needs_smtputf8(self) -> bool:
        """True when an address has a local part that only SMTPUTF8 can carry (RFC 6531)."""
        return self._needs_utf8() or any(address.needs_smtputf8 for address in self._bcc)

    def _needs_utf8(self) -> bool:
        """Return whether the header must hold UTF-8: that of an address which the header names."""
        named = self._to + self._from + self._cc + self._reply_to
        if self._sender is not None:
            named = (*named, self._sender)
        return not "".join([address.local for address in named]).isascii()

    def header(self, name: str, value: str) -> Self:
        """Set an extra header field, in the place of any that has this name, and return the message.

        Raises `InvalidHeader` for names that have an argument of their own, for those that are not the author's to
        write, and for values with control characters.
        """
        self.headers.set(name, value)
        return self

    def dsn(
        self,
        *,
        notify: str | Iterable[str] = (),
        ret: str | None = None,
        envid: str | None = None,
        recipients: Mapping[str, str | Iterable[str]] | None = None,
    ) -> Self:
        """Ask for delivery-status notifications (RFC 3461); return the message. The arguments are those of `DSN`."""
        self._dsn = DSN(notify=notify, ret=ret, envid=envid, recipients=recipients)
        return self

    def unsubscribe(self, url: Link, mailto: Mailbox | None = None) -> Self:
        """Let the recipient leave by one click (RFC 8058); return the message.

        `url` is an https link that unsubscribes by POST; `{recipient}` in it becomes the addr-spec, and in a merge each
        `{column}` its value, percent-encoded. Or it is a function that gives the link for an `Address`, such as
        `UnsubscribeLinks`. `mailto` is an address to write to instead. The header fields List-Unsubscribe and
        List-Unsubscribe-Post take the place of any that were set.

        The link is personal: a message to several recipients is refused when it is sent. Raises `InvalidMessage`.
        """
        from .unsubscribe import UnsubscribeWay  # the package first: another thread may be importing it

        self._unsubscribe = UnsubscribeWay(url, mailto)
        if self._headers:
            self._headers = Headers(
                [entry for entry in self._headers if entry[0].lower() not in _UNSUBSCRIBE]
            )
        return self

    def require_tls(self) -> Self:
        """Let the mail pass only over verified TLS, to the last hop (RFC 8689); return the message."""
        self._require_tls = True
        return self


_UNSUBSCRIBE = frozenset(("list-unsubscribe", "list-unsubscribe-post"))


def checked_subject(subject: object) -> str:
    """Return the subject as an exact `str`; raise `InvalidHeader` when no header can carry it."""
    if type(subject) is str and subject.isascii() and subject.isprintable():
        return subject
    text = text_of(subject)
    if text is None:
        raise InvalidHeader("subject", subject, "must be a str")
    reason = refusal(text)
    if reason:
        raise InvalidHeader("subject", text, reason)
    return text


def checked_return_path(path: Mailbox | None) -> Address | str | None:
    """Return the reverse-path as an address, `""` for the null path, None for the default."""
    return None if path is None else reverse_path(path) or ""
