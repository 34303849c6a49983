"""Compose mail, send it anywhere, lose nothing, and know what became of every recipient.

>>> from modernmail import Mailer, Message
>>> message = Message(subject="Hello", from_email="me@example.com", to=["you@example.com"], text="How are you?")
>>> with Mailer("memory:") as mailer:
...     mailer.send(message).accepted
('you@example.com',)
"""

from .address import Address
from .api import asend_mail, asend_mass_mail, send_mail, send_mass_mail
from .attachment import Attachment
from .backends.backend import Backend
from .backends.url import register_backend
from .envelope import DSN, Envelope
from .headers import Headers
from .mailer import Mailer
from .message import Message
from .outcome import Outcome
from .parcel import Parcel
from .receipt import Receipt
from .registry import configure, mailers
from .reply import Reply
from .sending import AsyncSending, Sending, Tally

__version__ = "0.1.0"

__all__ = [
    "DSN",
    "Address",
    "AsyncSending",
    "Attachment",
    "Backend",
    "Envelope",
    "Headers",
    "Mailer",
    "Message",
    "Outcome",
    "Parcel",
    "Receipt",
    "Reply",
    "Sending",
    "Tally",
    "asend_mail",
    "asend_mass_mail",
    "configure",
    "mailers",
    "register_backend",
    "send_mail",
    "send_mass_mail",
]
