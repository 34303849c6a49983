"""The OpenSMTPD fixture does what the tests that use it count on."""

from __future__ import annotations

import smtplib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .opensmtpd import OpenSMTPD

CONTENT = (
    b"Date: Mon, 23 Nov 2026 16:14:39 +0000\r\nMessage-ID: <1@example.com>\r\nFrom: me@example.com\r\n"
    b"To: zoe@example.com\r\n\r\n.dot\r\n \r\nlast line \r\n"
)


def test_delivers_what_was_sent_and_refuses_on_request(opensmtpd: OpenSMTPD) -> None:
    """The content of a complete mail arrives as it was sent; `refused…` and foreign domains get a 550."""
    recipients = ["zoe@example.com", "adam@example.org", "refused@example.com", "x@elsewhere.example"]
    with smtplib.SMTP("127.0.0.1", opensmtpd.port, timeout=10) as client:
        refused = client.sendmail("me@example.com", recipients, CONTENT)
        assert not {"pipelining", "chunking", "smtputf8", "starttls"} & set(client.esmtp_features)
    assert {address: reply[0] for address, reply in refused.items()} == {
        "refused@example.com": 550,
        "x@elsewhere.example": 550,
    }
    delivered = opensmtpd.delivered()
    assert {mail.recipient for mail in delivered} == {"zoe@example.com", "adam@example.org"}
    assert {mail.return_path for mail in delivered} == {"me@example.com"}
    assert {mail.content for mail in delivered} == {CONTENT}
