"""The Postfix fixtures do what the tests that use them count on."""

from __future__ import annotations

import smtplib
import ssl
from typing import TYPE_CHECKING

import pytest

from .dovecot import PASSWORDS

if TYPE_CHECKING:
    from .certificates import CertificateAuthority
    from .postfix import Postfix

CONTENT = b"Subject: hi\r\nBcc: hidden@example.com\r\nTo: root\r\n\r\n.dot\r\n \r\nlast line \r\n"


def test_delivers_what_was_sent_to_each_recipient(postfix: Postfix) -> None:
    """Each recipient gets a file of their own whose content is what the client sent, Bcc and all."""
    with smtplib.SMTP("127.0.0.1", postfix.port, timeout=10) as client:
        refused = client.sendmail("me@example.com", ["zoe@example.com", "adam@example.net"], CONTENT)
    assert refused == {}
    delivered = postfix.delivered()
    assert {mail.recipient for mail in delivered} == {"adam@example.net", "zoe@example.com"}
    for mail in delivered:
        assert mail.return_path == "me@example.com"
        assert mail.content == CONTENT
        assert mail.trace + mail.content.replace(b"\r\n", b"\n") == mail.raw
        assert mail.message()["Subject"] == "hi"


def test_starts_each_test_with_empty_maildirs(postfix: Postfix) -> None:
    """What an earlier test sent is gone."""
    assert postfix.delivered() == []


def test_refuses_and_defers_recipients_on_request(postfix: Postfix) -> None:
    """`refused…` gets a 550, `deferred…` a 450, a foreign domain a 554, and the others their mail."""
    recipients = ["refused@example.com", "deferred@example.com", "x@elsewhere.example", "zoe@example.com"]
    with smtplib.SMTP("127.0.0.1", postfix.port, timeout=10) as client:
        refused = client.sendmail("", recipients, CONTENT)
    assert {address: reply[0] for address, reply in refused.items()} == {
        "refused@example.com": 550,
        "deferred@example.com": 450,
        "x@elsewhere.example": 554,
    }
    (mail,) = postfix.delivered()
    assert mail.return_path == ""
    assert mail in postfix.maildirs.to("zoe@example.com")


def test_refuses_a_bare_line_feed(postfix: Postfix) -> None:
    """A client that ends a line with LF alone is told so, though it comes from loopback."""
    with smtplib.SMTP("127.0.0.1", postfix.port, timeout=10) as client:
        client.ehlo()
        client.mail("me@example.com")
        client.rcpt("zoe@example.com")
        client.putcmd("data")
        assert client.getreply()[0] == 354
        client.send(b"Subject: hi\r\n\r\none\ntwo\r\n.\r\n")
        code, text = client.getreply()
        client.close()
    assert (code, text) == (550, b"5.5.2 mx.example.com Error: bare <LF> received")


def test_takes_passwords_over_tls_only(
    postfix_tls: Postfix, certificate_authority: CertificateAuthority
) -> None:
    """STARTTLS is verified against our authority, AUTH appears behind it, and a wrong password gets a 535."""
    context = ssl.create_default_context(cafile=str(certificate_authority.ca_file))
    with smtplib.SMTP("localhost", postfix_tls.port, timeout=10) as client:
        client.ehlo()
        assert not client.has_extn("auth")
        client.starttls(context=context)
        client.ehlo()
        assert {"PLAIN", "LOGIN", "CRAM-MD5"} <= set(client.esmtp_features["auth"].split())
        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.login("zoe@example.com", "wrong")
        client.login("zoe@example.com", PASSWORDS["zoe@example.com"])
        client.sendmail("me@example.com", ["zoe@example.com"], CONTENT)
    assert [mail.content for mail in postfix_tls.delivered()] == [CONTENT]


def test_speaks_implicit_tls(postfix_tls: Postfix, certificate_authority: CertificateAuthority) -> None:
    """The second port starts with TLS."""
    context = ssl.create_default_context(cafile=str(certificate_authority.ca_file))
    assert postfix_tls.smtps_port is not None
    with smtplib.SMTP_SSL("localhost", postfix_tls.smtps_port, timeout=10, context=context) as client:
        client.sendmail("me@example.com", ["zoe@example.com"], CONTENT)
    assert [mail.content for mail in postfix_tls.delivered()] == [CONTENT]
