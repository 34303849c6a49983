"""The development inbox: catch every mail before anyone else sees it, look at it safely, ask it in tests.

`CaptureServer` speaks SMTP and keeps what it is sent, envelope and bytes, in a store.
It needs the `inbox` extra (`pip install 'modernmail[inbox]'`); the stores do not.
"""

from __future__ import annotations

from modernmail.errors import MailNotFound

from .capture import CaptureServer
from .disk_store import DiskStore
from .mail import CapturedMail
from .memory_store import MemoryStore
from .server import InboxServer
from .store import Store

__all__ = [
    "CaptureServer",
    "CapturedMail",
    "DiskStore",
    "InboxServer",
    "MailNotFound",
    "MemoryStore",
    "Store",
]
