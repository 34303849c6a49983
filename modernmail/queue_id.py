"""The server's own name for a mail, from the words of its last reply: what its operator can search for.

`Receipt.queue_id` asks when somebody looks.

Rules of the file: no standard says how, so each wording is one that a server is known to use; of another it says nothing.
"""

from __future__ import annotations

import re

# The name is the first group. Most wordings come behind an enhanced status code, and some behind another server's reply.
_WORDINGS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"#envid=([^\s<>]+)",  # Alibaba: "queued as freedom #envid=…"
        r"\bqueued (?:on \S+ )?as <?([^\s<>]+)>?",  # Postfix, and the many that say what it says; Yandex
        r"\bqueued with id ([^\s<>]+)",  # Stalwart
        r"(?:^|\s)id=([^\s<>]+)",  # Exim; 1&1
        r"\[InternalId=([0-9]+)[,\]]",  # Exchange
        r"(?:^|\s)(?=\S*[0-9])(\S+) message accepted for delivery",  # sendmail, OpenSMTPD, Proofpoint, CommuniGate
        r"\bmessage ([0-9]+) accepted$",  # Cisco
        r"^(?:2\.0\.0 )?ok\s+[0-9]+ (\S+) - gsmtp$",  # Gmail
        r"^ok ([0-9a-f]{12,}-[0-9a-f-]+)$",  # Amazon SES
        r"^(?:2\.0\.0 )?ok ([0-9a-f]{2}/[0-9a-f]{2}-[0-9]+-[0-9a-f]+)$",  # SparkPost
        r"^ok [0-9]+ qp ([0-9]+)(?: |$)",  # qmail; Symantec, with more behind
        r"^ok\. ([0-9a-f]{8,}\.[0-9a-f]{8,}\.[0-9a-f]{8,})$",  # Courier
        r"\breceived ok \[([^\]\s]+)\]$",  # Mimecast
        r"\bmessage queued \(([^()\s]+)\)",  # Haraka
        r"^2\.0\.0 <[^<>\s]*> (\S+) saved$",  # Dovecot's LMTP
        r"^2\.1\.5 ok sessionid=<([^<>\s]+)>$",  # Cyrus's LMTP
    )
)
_NO_NAMES = ("", "freedom")  # of QQ's "queued as.", and Alibaba's without an envid
_STATUS = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}:?")


def queue_id(text: str) -> str | None:
    """Return the queue id that a reply names, None when it is in no wording we know.

    >>> queue_id("2.0.0 Ok: queued as 4XYZ")
    '4XYZ'
    >>> queue_id("2.0.0 OK  1700000000 d9443c01a7336-1c5.12 - gsmtp")
    'd9443c01a7336-1c5.12'
    """
    for wording in _WORDINGS:
        found = wording.search(text)
        if found is not None:
            name = found[1].rstrip(".,;)")
            return None if name in _NO_NAMES or _STATUS.fullmatch(name) else name
    return None
