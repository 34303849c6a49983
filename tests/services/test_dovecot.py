"""The Dovecot fixture does what the tests that use it count on."""

from __future__ import annotations

import imaplib
import smtplib
from typing import TYPE_CHECKING

from .dovecot import FULL, PASSWORDS

if TYPE_CHECKING:
    from .dovecot import Dovecot

CONTENT = b"Subject: hi\r\nTo: zoe\r\n\r\n.dot\r\n\r\nlast line\r\n"


def test_answers_for_each_recipient(dovecot: Dovecot) -> None:
    """LMTP refuses an unknown recipient at RCPT, and a full mailbox after the content, for itself alone."""
    with smtplib.LMTP("127.0.0.1", dovecot.lmtp_port) as client:
        client.ehlo("localhost")
        client.mail("me@example.com")
        assert client.rcpt("zoe@example.com")[0] == 250
        assert client.rcpt("nobody@example.com")[0] == 550
        assert client.rcpt(FULL)[0] == 250
        assert client.data(CONTENT)[0] == 250  # smtplib reads the first of the two replies
        assert client.getreply()[0] == 552
    (mail,) = dovecot.mailbox("zoe@example.com")
    assert (mail.return_path, mail.content) == ("me@example.com", CONTENT)
    assert len(dovecot.maildirs) == 1


def test_reads_back_over_imap(dovecot: Dovecot) -> None:
    """What LMTP delivered is there for IMAP."""
    with smtplib.LMTP("127.0.0.1", dovecot.lmtp_port) as client:
        client.sendmail("me@example.com", ["adam@example.com"], CONTENT)
    with imaplib.IMAP4("127.0.0.1", dovecot.imap_port, timeout=10) as client:
        client.login("adam@example.com", PASSWORDS["adam@example.com"])
        client.select()
        _, data = client.fetch("1", "(BODY.PEEK[])")
    assert isinstance(data[0], tuple)
    assert data[0][1].endswith(CONTENT)
