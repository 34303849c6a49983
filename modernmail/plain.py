"""A message as plain values that survive JSON, for queues in other languages and for tests.

`Message.to_dict` and `from_dict` import it late. The keys are the arguments of `Message`; what is empty is left out.

Rules of the file: content goes in base64, never a path; what comes back passes the same checks as any argument, since a
queue is no friend; a newer version is refused, and so is a key that nobody knows.
"""

from __future__ import annotations

from binascii import Error, a2b_base64, b2a_base64

from .address import Address
from .attachment import Attachment
from .envelope import DSN, once
from .errors import InvalidMessage, InvalidValue, PayloadRejected
from .message import Message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from .unsubscribe.way import UnsubscribeWay

VERSION = 1
_MAILBOXES = ("from_email", "to", "cc", "bcc", "reply_to")
_ARGUMENTS = (
    *_MAILBOXES, "subject", "text", "html", "sender", "return_path", "headers", "attachments", "alternatives",
    "body_encoding",
)  # fmt: skip
_KEYS = frozenset((*_ARGUMENTS, "version", "dsn", "require_tls", "original", "unsubscribe"))


def message_to_dict(message: Message) -> dict[str, Any]:
    """Return the values of a message; one that somebody else wrote is kept as it came, under `original`."""
    data: dict[str, Any] = {"version": VERSION}
    if message._original is not None:
        from .foreign.stored import stored_original

        data["original"] = _base64(stored_original(message))
    else:
        data |= _values(message)
    if message.bcc:
        data["bcc"] = [str(address) for address in message.bcc]
    if message._return_path is not None:
        data["return_path"] = str(message._return_path)
    if message._body_encoding != "auto":
        data["body_encoding"] = message._body_encoding
    if message._dsn is not None:
        data["dsn"] = message._dsn.to_dict()
    if message._require_tls:
        data["require_tls"] = True
    if message._unsubscribe is not None:
        data["unsubscribe"] = _of_way(message._unsubscribe, message)
    return data


def message_from_dict(data: Mapping[str, Any]) -> Message:
    """Return the message of these values.

    Raises `PayloadRejected` for another version, and `InvalidValue` for what no message can have.
    """
    if not hasattr(data, "get"):
        raise PayloadRejected(
            f"a message is a mapping with a version, not {type(data).__name__}; "
            f"this release reads version {VERSION}"
        )
    version = data.get("version")
    if version != VERSION:
        raise PayloadRejected(f"a message of version {version!r}; this release reads version {VERSION}")
    for key in data:
        if key not in _KEYS:
            raise InvalidMessage(key, data[key], "is no part of a message of version 1")
    if "original" in data:
        from .foreign import read_message

        message = read_message(_octets(data["original"], "original"))
        message._bcc += Address.many(data.get("bcc", ()), "bcc")
        message.return_path = data.get("return_path")
        if "body_encoding" in data:
            message._body_encoding = Message(body_encoding=data["body_encoding"])._body_encoding
    else:
        message = Message(**_arguments(data))
    if "dsn" in data:
        message._dsn = _read(DSN.from_dict, data["dsn"], "dsn")
    if data.get("require_tls"):
        message.require_tls()
    if "unsubscribe" in data:
        _read(
            lambda way: message.unsubscribe(way["url"], way.get("mailto")), data["unsubscribe"], "unsubscribe"
        )
    return message


def _values(message: Message) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for key in ("subject", "text", "html"):
        value = getattr(message, f"_{key}")
        # An empty text is a part, an empty subject no field.
        if value or (value is not None and key != "subject"):
            data[key] = value
    for key, addresses in (
        ("from_email", message._from),
        ("to", message._to),
        ("cc", message._cc),
        ("reply_to", message._reply_to),
    ):
        if addresses:
            data[key] = [str(address) for address in addresses]
    if message._sender is not None:
        data["sender"] = str(message._sender)
    if message._headers:
        data["headers"] = [list(entry) for entry in message._headers]
    if message._alternatives:
        data["alternatives"] = [
            {"media_type": str(kind), "text": content}
            if isinstance(content, str)
            else {"media_type": str(kind), "content": _base64(content)}
            for content, kind in message._alternatives
        ]
    if message._attachments:
        data["attachments"] = [_of_attachment(attachment) for attachment in message._attachments]
    return data


def _of_way(way: UnsubscribeWay, message: Message) -> dict[str, Any]:
    """Return a way out; a link that a function makes is made now, since no function goes into JSON."""
    recipients = once(message.to + message.cc + message.bcc)
    url = way.url if isinstance(way.url, str) else way.link_for(recipients)
    return {"url": url} if way.mailto is None else {"url": url, "mailto": way.mailto}


def _of_attachment(attachment: Attachment) -> dict[str, Any]:
    data = {"media_type": attachment.media_type, "content": _base64(attachment.content)}
    if attachment.filename is not None:
        data["filename"] = attachment.filename
    if attachment.disposition != "attachment":
        data["disposition"] = attachment.disposition
    if attachment.content_id is not None:
        data["content_id"] = attachment.content_id
    if attachment.kind.main == "multipart":
        data["head"] = attachment.cache.head  # how a multipart that somebody else wrote begins
    return data


def _arguments(data: Mapping[str, Any]) -> dict[str, Any]:
    arguments = {key: data[key] for key in _ARGUMENTS if key in data}
    for key in ("attachments", "alternatives"):
        if key in arguments:
            read = _attachment if key == "attachments" else _alternative
            items = arguments[key]
            if not isinstance(items, (list, tuple)):
                raise InvalidMessage(key, items, "must be a list")
            arguments[key] = [_read(read, item, f"{key}[{at}]") for at, item in enumerate(items)]
    return arguments


def _attachment(data: Mapping[str, Any]) -> Attachment:
    content = _octets(data["content"], "content")
    name = data.get("filename")
    if "head" in data:
        from .foreign.enclosed import enclosed_part

        return enclosed_part(
            name, f"{data['head']}\r\n".encode("utf-8", "replace") + content, is_message=False
        )
    return Attachment(
        name,
        content,
        data["media_type"],
        disposition=data.get("disposition", "attachment"),
        content_id=data.get("content_id"),
    )


def _alternative(data: Mapping[str, Any]) -> tuple[str | bytes, str]:
    content = data["text"] if "text" in data else _octets(data["content"], "content")
    return content, data["media_type"]


def _read(read: Callable[[Any], Any], data: Any, argument: str) -> Any:
    """Return what `read` makes of a mapping; raise `InvalidMessage` when it is none, or lacks a key."""
    if not hasattr(data, "keys"):
        raise InvalidMessage(argument, data, "must be a mapping")
    try:
        return read(data)
    except KeyError as error:
        raise InvalidMessage(argument, data, f"lacks {error}") from error
    except InvalidValue as error:
        raise error.within(f"{argument}.{error.argument}") from None


def _base64(octets: bytes) -> str:
    return b2a_base64(octets, newline=False).decode("ascii")


def _octets(text: Any, argument: str) -> bytes:
    try:
        return a2b_base64(text, strict_mode=True)
    except (Error, TypeError, ValueError) as error:
        raise InvalidMessage(argument, text, f"must be base64: {error}") from error
