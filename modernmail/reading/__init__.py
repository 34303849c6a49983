"""Reading mail that others wrote: bytes in, what a person sees out. It never fails; it names the problems.

`read(content)` works on anything: broken MIME, unknown charsets, ten thousand parts, nothing at all.

>>> mail = read(b"Subject: =?utf-8?q?Caf=C3=A9?=\\r\\nContent-Type: text/html\\r\\n\\r\\n<p>Hi <a href='https://example.com'>you")
>>> mail.subject, mail.html, mail.text, mail.problems
('Café', "<p>Hi <a href='https://example.com'>you", None, ())

Rules of the package: it imports the standard library alone (not `email`, whose parser is quadratic on nested
messages); every loop is linear in the bytes; depth and number of parts are bounded; nothing is decoded before
it is asked for.
"""

from __future__ import annotations

from .fields import Field
from .mail import ReadMail, read
from .mailboxes import Mailbox
from .part import Part

__all__ = ["Field", "Mailbox", "Part", "ReadMail", "read"]
