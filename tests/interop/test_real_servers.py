"""Postfix, Exim, OpenSMTPD and Dovecot get mails of every kind; each arrives once for each recipient, byte for byte.

Pipelined where that is offered, with TLS and passwords where the server can, by DATA and by BDAT, sync and async, one by
one and in streams. `nox -s interop` sends 1,000 mails to each server, the default run some.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from services.dovecot import CROWD, PASSWORDS

from .judge import check, named, problems
from .mails import MOST, Letters, Taste
from .ways import ways

if TYPE_CHECKING:
    from pathlib import Path

    from services.certificates import CertificateAuthority
    from services.dovecot import Dovecot
    from services.exim import Exim
    from services.mailserver import MailServer
    from services.opensmtpd import OpenSMTPD
    from services.postfix import Postfix

MANY = 1000


def in_both_runs(few: int) -> pytest.MarkDecorator:
    """Some mails in the default run (on one Python: the servers are the same), many in `nox -s interop`."""
    return pytest.mark.parametrize(
        "count",
        [
            pytest.param(few, marks=pytest.mark.once, id="some"),
            pytest.param(MANY, marks=pytest.mark.interop, id="many"),
        ],
    )


def taste(count: int, *, smtputf8: bool = True, unusual: bool = True) -> Taste:
    """Return what a server takes; up to 200 recipients take a server long, so in the default run one server has them."""
    return Taste(smtputf8=smtputf8, unusual=unusual, most=MOST if count == MANY else 40)


def secure(server: Postfix | Exim, authority: CertificateAuthority) -> dict[str, str]:
    """Return the ways in with TLS, from the start and by STARTTLS, with a password and without."""
    user = f"zoe%40example.com:{quote(PASSWORDS['zoe@example.com'])}@"
    ca = f"ca={authority.ca_file}"
    return {
        "STARTTLS": f"smtp://localhost:{server.port}?tls=required&{ca}",
        "STARTTLS, AUTH": f"smtp://{user}localhost:{server.port}?tls=required&{ca}",
        "STARTTLS, AUTH, BDAT": f"smtp://{user}localhost:{server.port}?tls=required&{ca}&chunking=on&window=8",
        "TLS, AUTH": f"smtps://{user}localhost:{server.smtps_port}?{ca}&max_recipients=1000",
        "TLS, AUTH, BDAT": f"smtps://{user}localhost:{server.smtps_port}?{ca}&chunking=on",
    }


def go_each_way(server: MailServer, urls: dict[str, str], count: int, taste: Taste, folder: Path) -> None:
    """Deal so many mails out to the ways, and judge what was delivered after each way."""
    found = ways(urls, is_all=count == MANY)
    for turn, way in enumerate(found):
        share = count // len(found) + (turn < count % len(found))
        letters = Letters(share, seed=turn, taste=taste, folder=folder)
        server.renew()
        receipts = way.go(letters)
        assert len(receipts) == share
        refused = [(one.position, one.refused, one.error) for one in receipts if not one.is_complete]
        assert not refused, f"{way}: {refused[:3]}"
        server.settle(timeout=300)
        check(str(way), problems(letters, named(server.maildirs)), server.log.since_mark)


@in_both_runs(30)
def test_postfix_in_clear(postfix: Postfix, count: int, tmp_path: Path) -> None:
    """Plain SMTP to Postfix, DATA and BDAT."""
    urls = {
        "DATA": postfix.url,
        "BDAT": f"{postfix.url}?chunking=on",
        "BDAT, window 8, small transactions": f"{postfix.url}?chunking=on&window=8&max_recipients=7&max_messages=9",
    }
    go_each_way(postfix, urls, count, Taste(), tmp_path)


@in_both_runs(30)
def test_postfix_with_tls(
    postfix_tls: Postfix, certificate_authority: CertificateAuthority, count: int, tmp_path: Path
) -> None:
    """STARTTLS and implicit TLS to Postfix, the password checked by Dovecot."""
    go_each_way(postfix_tls, secure(postfix_tls, certificate_authority), count, taste(count), tmp_path)


@in_both_runs(30)
def test_exim(exim: Exim, certificate_authority: CertificateAuthority, count: int, tmp_path: Path) -> None:
    """Plain, STARTTLS and implicit TLS to Exim, DATA and BDAT, with a password and without."""
    urls = {
        "DATA": exim.url,
        "BDAT": f"{exim.url}?chunking=on&window=8",
        **secure(exim, certificate_authority),
    }
    go_each_way(exim, urls, count, taste(count), tmp_path)


@in_both_runs(30)
def test_opensmtpd(opensmtpd: OpenSMTPD, count: int, tmp_path: Path) -> None:
    """One command at a time to OpenSMTPD, which offers no PIPELINING."""
    # It takes 100 mails over a connection, and then says 452 to MAIL.
    url = f"{opensmtpd.url}?max_messages=100"
    urls = {"DATA": url, "chunking wanted": f"{url}&chunking=on"}
    go_each_way(opensmtpd, urls, count, taste(count, smtputf8=False, unusual=False), tmp_path)


@in_both_runs(30)
def test_dovecot(
    dovecot: Dovecot, certificate_authority: CertificateAuthority, count: int, tmp_path: Path
) -> None:
    """LMTP to Dovecot: a reply for each recipient, and each of them has the mail."""
    where = f"localhost:{dovecot.lmtp_port}"
    urls = {
        "LMTP": f"lmtp://{where}",
        "LMTP, Unix socket": f"lmtp://{dovecot.lmtp_socket}",
        "LMTP, STARTTLS": f"lmtp://{where}?tls=required&ca={certificate_authority.ca_file}",
        "LMTP, small transactions": f"lmtp://{where}?max_recipients=3",
    }
    found = ways(urls, is_all=count == MANY)
    for turn, way in enumerate(found):
        share = count // len(found) + (turn < count % len(found))
        letters = Letters(share, turn, Taste(smtputf8=False, mailboxes=CROWD), tmp_path)
        dovecot.maildirs.clear()
        receipts = way.go(letters)
        assert all(receipt.is_complete for receipt in receipts), way
        delivered = ((user, mail) for user in CROWD for mail in dovecot.mailbox(user))
        check(str(way), problems(letters, delivered), dovecot.log.since_mark)


@in_both_runs(20)
def test_sendmail(postfix: Postfix, count: int, tmp_path: Path) -> None:
    """Through Postfix's own sendmail: arguments and standard input instead of SMTP, the same octets."""
    # What comes this way Postfix takes for a submission: it writes unusual mailboxes of the header its own way.
    urls = {"sendmail": f"sendmail:{postfix.sendmail()}"}
    go_each_way(postfix, urls, count, taste(count, unusual=False), tmp_path)
