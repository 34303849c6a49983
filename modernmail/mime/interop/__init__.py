"""To and from `email.message.EmailMessage`: the only importer of the standard library's `email` package.

`Message.as_email_message` and `from_email_message` import it late. `policy` says how fields are folded, `mail` is the
`EmailMessage` that writes itself quickly, `export` makes one of a tree of ours, and `octets_of` reads any other.
"""

from __future__ import annotations

from .export import email_message
from .mail import WireMessage, octets_of
from .policy import WirePolicy

__all__ = ["WireMessage", "WirePolicy", "email_message", "octets_of"]
