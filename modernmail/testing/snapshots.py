"""Snapshots: a mail in a form that is the same on every run."""

from __future__ import annotations

import re

_BOUNDARY = re.compile(rb"boundary=\"?([^\"\r\n;]+)\"?", re.IGNORECASE)
_UNIQUE = re.compile(
    rb"^(Date|Message-ID|Received|DKIM-Signature):.*\n(?:[ \t].*\n)*", re.IGNORECASE | re.MULTILINE
)


def normalised(content: bytes) -> str:
    r"""Return the wire form with what differs from run to run replaced, lines ended by a line feed.

    Date, Message-ID, Received and DKIM-Signature lose their values, boundaries are numbered in the order they
    occur; content-ids and all else stay.

    >>> mail = b"Date: today\r\nSubject: Hi\r\nContent-Type: multipart/mixed; boundary=\"=_8a\"\r\n\r\n--=_8a--\r\n"
    >>> print(normalised(mail))
    Date: DATE
    Subject: Hi
    Content-Type: multipart/mixed; boundary="BOUNDARY-1"
    <BLANKLINE>
    --BOUNDARY-1--
    <BLANKLINE>
    """
    head, separator, body = content.partition(b"\r\n\r\n")
    text = _UNIQUE.sub(lambda match: match[1] + b": " + match[1].upper() + b"\r\n", head + b"\r\n")
    text = text.removesuffix(b"\r\n") + separator + body
    for number, boundary in enumerate(dict.fromkeys(match[1] for match in _BOUNDARY.finditer(text)), 1):
        places = rb'(boundary="?|^--)' + re.escape(boundary) + rb'(?=["\r\n;]|--\r?$|$)'
        text = re.sub(places, rb"\1BOUNDARY-%d" % number, text, flags=re.IGNORECASE | re.MULTILINE)
    return text.decode("utf-8", "replace").replace("\r\n", "\n")
