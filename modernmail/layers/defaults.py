"""`Defaults` and `Overrides`: header fields that every mail gets, unless it has them, or whatever it has."""

from __future__ import annotations

from ..address import Address
from ..errors import ConfigurationError
from ..headers import Headers
from ..mime.field import field
from ..mime.mailboxes import mailboxes
from .head import fields_of, without
from .layer import Layer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..parcel import Parcel
    from ..runtime import IO


class _Fields(Layer):
    """Header fields, laid out once."""

    changes_content = True

    def __init__(
        self,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
        *,
        reply_to: str | Address | Iterable[str | Address] = (),
        tags: str | Iterable[str] = (),
        tag_header: str = "X-Tag",
    ) -> None:
        laid_out = [(name, field(name, value)) for name, value in Headers(headers or ())]
        answers = Address.many(reply_to, "reply_to") if reply_to else ()
        if answers:
            if any(address.needs_smtputf8 for address in answers):
                raise ConfigurationError(
                    "reply_to: an address whose local part is not ASCII needs its own message"
                )
            laid_out.append(("Reply-To", mailboxes("Reply-To", answers)))
        if not hasattr(tags, "__iter__"):
            raise ConfigurationError(f"tags={tags!r}: must be a str or a list of them")
        words = [tags] if isinstance(tags, str) else list(tags)
        laid_out += [
            (name, field(name, value)) for name, value in Headers([(tag_header, word) for word in words])
        ]
        if not laid_out:
            raise ConfigurationError(f"{type(self).__name__} needs headers, reply_to or tags")
        for name, _ in laid_out:
            if name.lower() in ("date", "message-id"):
                raise ConfigurationError(f"{name}: each mail has its own: set it on the message")
        self._fields = [(name.lower().encode("ascii"), text.encode("ascii")) for name, text in laid_out]
        self._names = {name for name, _ in self._fields}

    def __repr__(self) -> str:
        names = ", ".join(sorted(name.decode("ascii") for name in self._names))
        return f"<{type(self).__name__} of {names}>"


class Defaults(_Fields):
    """Header fields for mails that have none of that name: `headers`, `reply_to`, and `tags`, each in a `tag_header` field.

    Queued mail gets them when it is sent. Fields that have an argument of `Message` are refused as there.

    >>> from modernmail import Mailer, Message
    >>> mailer = Mailer("memory:", layers=[Defaults({"Auto-Submitted": "auto-generated"}, reply_to="help@example.com")])
    >>> _ = mailer.send(Message("Hi", "Text", from_email="me@example.com", to="zoe@example.com"))
    >>> str(mailer.backend.messages[0].reply_to[0])
    'help@example.com'
    """

    async def before(self, parcel: Parcel, io: IO) -> Parcel:
        """Return the parcel with the fields that it lacked."""
        there = {name for name, _ in fields_of(parcel.content.head)}
        lacking = b"".join([text for name, text in self._fields if name not in there])
        return parcel.replace(content=parcel.content.with_field(lacking)) if lacking else parcel


class Overrides(_Fields):
    """Header fields that replace those of the same name, or are added; the arguments are those of `Defaults`.

    >>> from modernmail import Mailer, Message
    >>> mailer = Mailer("memory:", layers=[Overrides({"X-Environment": "staging"})])
    >>> message = Message("Hi", "Text", from_email="me@example.com", to="zoe@example.com", headers={"X-Environment": "?"})
    >>> _ = mailer.send(message)
    >>> mailer.backend.messages[0].headers.get_all("X-Environment")
    ('staging',)
    """

    async def before(self, parcel: Parcel, io: IO) -> Parcel:
        """Return the parcel with these fields."""
        head = b"".join([text for _, text in self._fields]) + without(parcel.content.head, self._names)
        return parcel.replace(content=parcel.content.with_head(head))
