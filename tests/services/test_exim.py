"""The Exim fixture does what the tests that use it count on."""

from __future__ import annotations

import smtplib
import ssl
from base64 import b64encode
from typing import TYPE_CHECKING

from .dovecot import PASSWORDS

if TYPE_CHECKING:
    from .certificates import CertificateAuthority
    from .exim import Exim

CONTENT = b"Subject: hi\r\nBcc: hidden@example.com\r\nTo: root\r\n\r\n.dot\r\n \r\nlast line \r\n"


def test_delivers_what_was_sent_and_refuses_on_request(exim: Exim) -> None:
    """The content arrives as it was sent; `refused…`, `deferred…` and foreign domains are turned down."""
    recipients = ["zoe@example.com", "refused@example.com", "deferred@example.com", "x@elsewhere.example"]
    with smtplib.SMTP("127.0.0.1", exim.port, timeout=10) as client:
        refused = client.sendmail("me@example.com", recipients, CONTENT)
        assert {"pipelining", "chunking", "prdr", "smtputf8", "pipeconnect"} <= set(client.esmtp_features)
    assert {address: reply[0] for address, reply in refused.items()} == {
        "refused@example.com": 550,
        "deferred@example.com": 451,
        "x@elsewhere.example": 550,
    }
    (mail,) = exim.delivered()
    assert (mail.recipient, mail.return_path, mail.content) == ("zoe@example.com", "me@example.com", CONTENT)


def test_takes_passwords_over_tls_only(exim: Exim, certificate_authority: CertificateAuthority) -> None:
    """AUTH appears behind verified TLS, on both ports, and takes a password that is not ASCII."""
    context = ssl.create_default_context(cafile=str(certificate_authority.ca_file))
    with smtplib.SMTP("localhost", exim.port, timeout=10) as client:
        client.ehlo()
        assert not client.has_extn("auth")
        client.starttls(context=context)
        client.ehlo()
        assert client.login("zoe@example.com", PASSWORDS["zoe@example.com"])[0] == 235
    with smtplib.SMTP_SSL("localhost", exim.smtps_port, timeout=10, context=context) as client:
        client.ehlo()
        user = "zoë@example.com"
        secret = b64encode(f"\0{user}\0{PASSWORDS[user]}".encode()).decode()
        assert client.docmd("AUTH", f"PLAIN {secret}")[0] == 235
