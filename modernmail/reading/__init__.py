"""Reading mail that others wrote: bytes in, what a person sees out. It never fails; it names the problems.

`read(content)` works on anything: broken MIME, unknown charsets, ten thousand parts, nothing at all.

>>> mail = read(b"Subject: =?utf-8?q?Caf=C3=A9?=\\r\\nContent-Type: text/html\\r\\n\\r\\n<p>Hi <a href='https://example.com'>you")
>>> mail.subject, mail.html, mail.text, mail.problems
('Café', "<p>Hi <a href='https://example.com'>you", None, ())

Rules of the package: it imports the standard library alone (not `email`, whose parser is quadratic on nested
messages); every loop is linear in the bytes; depth and number of parts are bounded; nothing is decoded before
it is asked for.

Nothing of it is imported here: other packages import its modules, and a thread that imports one holds it while it waits for
the package, which another thread may be importing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .fields import Field as Field
    from .mail import ReadMail as ReadMail
    from .mail import read as read
    from .mailboxes import Mailbox as Mailbox
    from .part import Part as Part

_HOMES = {"Field": "fields", "Mailbox": "mailboxes", "Part": "part", "ReadMail": "mail", "read": "mail"}

__all__ = ["Field", "Mailbox", "Part", "ReadMail", "read"]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
