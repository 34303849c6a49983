"""What each header field is: how its value is written, whether it may stand twice, and who writes it.

One table for the checks of `Headers` and for the folder. Names are compared in small letters. A field that is
not listed is unstructured text and may stand any number of times.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

TEXT: Final = "text"  # unstructured (RFC 5322 3.6.5): encoded-words where needed, folds at white space
ADDRESSES: Final = "addresses"  # mailboxes with commas between them
MESSAGE_ID: Final = "message-id"  # one <id>
MESSAGE_IDS: Final = "message-ids"  # <id> <id> …
URIS: Final = "uris"  # <uri>, <uri> … (RFC 2369)
LIST_ID: Final = "list-id"  # words <list-id> (RFC 2919)
ONE_CLICK: Final = "one-click"  # the fixed value of List-Unsubscribe-Post (RFC 8058)
DATE: Final = "date"  # RFC 5322 3.3

_KINDS: Final = {
    "from": ADDRESSES,
    "sender": ADDRESSES,
    "reply-to": ADDRESSES,
    "to": ADDRESSES,
    "cc": ADDRESSES,
    "resent-from": ADDRESSES,
    "resent-sender": ADDRESSES,
    "resent-reply-to": ADDRESSES,
    "resent-to": ADDRESSES,
    "resent-cc": ADDRESSES,
    "disposition-notification-to": ADDRESSES,
    "return-receipt-to": ADDRESSES,
    "errors-to": ADDRESSES,
    "mail-followup-to": ADDRESSES,
    "mail-reply-to": ADDRESSES,
    "message-id": MESSAGE_ID,
    "resent-message-id": MESSAGE_ID,
    "content-id": MESSAGE_ID,
    "in-reply-to": MESSAGE_IDS,
    "references": MESSAGE_IDS,
    "list-help": URIS,
    "list-unsubscribe": URIS,
    "list-subscribe": URIS,
    "list-post": URIS,
    "list-owner": URIS,
    "list-archive": URIS,
    "archived-at": URIS,
    "list-id": LIST_ID,
    "list-unsubscribe-post": ONE_CLICK,
    "date": DATE,
    "resent-date": DATE,
}

# RFC 5322 3.6; RFC 2045 and 2183; RFC 2369 3, 2919 2 and 8058 3; RFC 3834 5; RFC 8098 2.1
_ONCE: Final = frozenset(
    (
        *("date", "from", "sender", "reply-to", "to", "cc", "bcc", "subject", "return-path"),
        *("message-id", "in-reply-to", "references", "auto-submitted"),
        *("mime-version", "content-type", "content-transfer-encoding", "content-disposition"),
        *("content-id", "content-description"),
        *("list-help", "list-unsubscribe", "list-subscribe", "list-post", "list-owner", "list-archive"),
        *("list-id", "list-unsubscribe-post"),
        *("disposition-notification-to", "disposition-notification-options"),
    )
)

_FTEXT: Final = bytes(code for code in range(33, 127) if code != 0x3A)  # RFC 5322 3.6.8
_NOT_BY_HAND: Final = {
    "from": "use the argument from_email",
    "to": "use the argument to",
    "cc": "use the argument cc",
    "subject": "use the argument subject",
    "reply-to": "use the argument reply_to",
    "sender": "use the argument sender",
    "bcc": "blind copies stand in no header: use the argument bcc",
    "resent-bcc": "blind copies stand in no header: name them in the envelope",
    "return-path": "the server that delivers writes it: use the argument return_path",
    "received": "the servers on the way write it",
    "mime-version": "it is written with the message",
    "content-type": "it follows from the parts: use text, html, attach() or alternative()",
    "content-transfer-encoding": "it is chosen for each part",
    "content-disposition": "it belongs to a part: use attach() or embed()",
    "content-id": "it belongs to a part: use embed()",
}


def is_name(name: str) -> bool:
    """Whether a field can have this name, were it shorter or longer.

    >>> is_name("X-Campaign"), is_name("X Campaign"), is_name("")
    (True, False, False)
    """
    return bool(name) and name.isascii() and not name.encode("ascii").translate(None, _FTEXT)


def kind_of(name: str) -> str:
    """Return how the value of the field `name` is written: one of the words at the top of this file.

    >>> kind_of("References"), kind_of("X-Campaign")
    ('message-ids', 'text')
    """
    return _KINDS.get(name.lower(), TEXT)


def stands_once(name: str) -> bool:
    """Whether a message may hold the field `name` only once.

    >>> stands_once("SUBJECT"), stands_once("Comments")
    (True, False)
    """
    return name.lower() in _ONCE


def why_not_by_hand(name: str) -> str:
    """Return who writes the field `name` instead of the caller; "" for a field that the caller may write.

    >>> why_not_by_hand("Bcc")
    'blind copies stand in no header: use the argument bcc'
    """
    return _NOT_BY_HAND.get(name.lower(), "")
