"""Mail that somebody else wrote, as a `Message`: what can be expressed becomes fields, the rest is carried verbatim.

`Message.from_bytes` and `from_email_message` import it late.

Rules of the package: it takes whatever real mail contains and fails for nothing but a value that is no bytes; nothing is
guessed: what cannot be read goes out as it came, and an address that cannot be read is no recipient; what goes out has
the safety of every other mail (no Bcc, no bare CR or LF, no NUL, no line over 998 octets).
"""

from __future__ import annotations

from .reader import read_message

__all__ = ["read_message"]
