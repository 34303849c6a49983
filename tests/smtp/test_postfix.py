"""Through a real Postfix into maildirs, by each of the three ways to send one mail."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

import modernmail
from modernmail import Mailer, Message, asend_mail, send_mail
from modernmail.cli.__main__ import main
from modernmail.cli.samples import document
from modernmail.errors import RecipientsRefused, SecurityFailed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from services.certificates import CertificateAuthority
    from services.postfix import Postfix

SUBJECT = "Rechnung für Zoë: naïve café ☕ 請求書"
TEXT = "Grüße, Zoë!\n\n.a line that begins with a dot\nFrom here on \n" + "x" * 1200 + "\n"
HTML = '<p>Grüße, <b>Zoë</b>! <a href="https://example.com/?a=1&amp;b=2">請求書</a></p>\n'
FILENAME = "Rechnung für Zoë 請求書.pdf"
PDF = document("Invoice 42")
TO, CC, BCC = "zoe@example.com", "adam@example.net", "hidden@example.org"


def by_cli(url: str, folder: Path) -> None:
    """`modernmail send`."""
    (folder / "text.txt").write_bytes(TEXT.encode())
    (folder / "page.html").write_bytes(HTML.encode())
    (folder / FILENAME).write_bytes(PDF)
    code = main([
        "send", "--url", url, "--from", "Shop <shop@example.com>", "--to", f"Zoë <{TO}>", "--cc", CC, "--bcc", BCC,
        "--subject", SUBJECT, "--text-file", str(folder / "text.txt"), "--html-file", str(folder / "page.html"),
        "--attach", str(folder / FILENAME),
    ])  # fmt: skip
    assert code == 0


WORDS = (SUBJECT, TEXT, None, [f"Zoë <{TO}>"])
PARTS: dict[str, Any] = {
    "html_message": HTML,
    "cc": [CC],
    "bcc": [BCC],
    "attachments": [(FILENAME, PDF)],
}


def by_send_mail(url: str, folder: Path) -> None:
    """`send_mail`."""
    modernmail.configure({"default": {"url": url, "from_email": "Shop <shop@example.com>"}})
    receipt = send_mail(*WORDS, **PARTS)
    assert receipt.accepted == (TO, CC, BCC)
    assert receipt.queue_id
    modernmail.mailers["default"].close()


def by_asend_mail(url: str, folder: Path) -> None:
    """`asend_mail`."""
    modernmail.configure({"default": {"url": url, "from_email": "Shop <shop@example.com>"}})

    async def run() -> None:
        receipt = await asend_mail(*WORDS, **PARTS)
        assert receipt.accepted == (TO, CC, BCC)
        await modernmail.mailers["default"].aclose()

    asyncio.run(run())


@pytest.mark.parametrize(
    "send", [by_cli, by_send_mail, by_asend_mail], ids=["cli", "send_mail", "asend_mail"]
)
def test_what_lands_in_the_maildirs(
    send: Callable[[str, Path], None], postfix: Postfix, tmp_path: Path
) -> None:
    """Everybody has the mail; the standard library reads the same from it; Bcc is in its own trace, nowhere else."""
    send(postfix.url, tmp_path)
    modernmail.configure({})
    delivered = postfix.delivered()
    assert sorted(str(mail.recipient) for mail in delivered) == sorted([TO, CC, BCC])
    for mail in delivered:
        assert mail.return_path == "shop@example.com"
        message = mail.message()
        assert str(message["Subject"]) == SUBJECT
        assert [(a.display_name, a.addr_spec) for a in message["To"].addresses] == [("Zoë", TO)]
        assert [a.addr_spec for a in message["Cc"].addresses] == [CC]
        text, html = message.get_body(("plain",)), message.get_body(("html",))
        assert text is not None
        assert html is not None
        assert text.get_content().replace("\r\n", "\n") == TEXT
        assert html.get_content().replace("\r\n", "\n") == HTML
        (attachment,) = message.iter_attachments()
        assert attachment.get_filename() == FILENAME
        assert attachment.get_content_type() == "application/pdf"
        assert attachment.get_content() == PDF
        assert message["Bcc"] is None
        assert BCC.encode() not in mail.content
        if mail.recipient != BCC:
            assert BCC.encode() not in mail.raw
    assert len({mail.content for mail in delivered}) == 1


def test_a_refusal_by_postfix(postfix: Postfix) -> None:
    """Postfix's own words reach the receipt; who was accepted has the mail, once."""
    with Mailer(postfix.url, from_email="shop@example.com") as mailer:
        receipt = mailer.send(Message("x", "x", to=[TO, "refused@example.com", "deferred@example.com"]))
        assert receipt.accepted == (TO,)
        assert receipt.recipients["refused@example.com"].status == "rejected"
        assert receipt.recipients["deferred@example.com"].status == "deferred"
        assert str(receipt.recipients["refused@example.com"].reply).startswith("550 5.")
        with pytest.raises(RecipientsRefused) as caught:
            mailer.send(Message("x", "x", to="refused@example.com"))
        assert not caught.value.is_transient
    assert [mail.recipient for mail in postfix.delivered()] == [TO]


def test_with_tls_and_a_password(postfix_tls: Postfix, certificate_authority: CertificateAuthority) -> None:
    """STARTTLS and implicit TLS, verified against the authority named in the URL, with AUTH: sync and async."""
    from services.dovecot import PASSWORDS

    login = f"zoe%40example.com:{quote(PASSWORDS['zoe@example.com'])}"
    urls = [
        f"smtp://{login}@localhost:{postfix_tls.port}?tls=required&ca={certificate_authority.ca_file}",
        f"smtps://{login}@localhost:{postfix_tls.smtps_port}?ca={certificate_authority.ca_file}",
    ]

    async def asend(url: str) -> None:
        async with Mailer(url) as mailer:
            await mailer.asend(Message("async", "x", from_email="shop@example.com", to=TO))

    for url in urls:
        with Mailer(url) as mailer:
            facts = mailer.verify()
            assert facts["tls_verified"]
            mailer.send(Message("sync", "x", from_email="shop@example.com", to=TO))
        asyncio.run(asend(url))
    subjects = sorted(str(mail.message()["Subject"]) for mail in postfix_tls.delivered())
    assert subjects == ["async", "async", "sync", "sync"]


def test_required_tls(postfix_tls: Postfix, certificate_authority: CertificateAuthority) -> None:
    """RFC 8689: Postfix 3.11 offers REQUIRETLS over TLS and takes the mail; an older one does not, and gets none."""
    url = f"smtp://localhost:{postfix_tls.port}?tls=required&ca={certificate_authority.ca_file}"
    message = Message("x", "x", from_email="shop@example.com", to=TO).require_tls()
    with Mailer(url) as mailer:
        is_offered = "REQUIRETLS" in mailer.verify()["extensions"]
        with nullcontext() if is_offered else pytest.raises(SecurityFailed, match="REQUIRETLS"):
            mailer.send(message)
    assert len(postfix_tls.delivered()) == is_offered


def test_many_mails_over_one_connection(postfix: Postfix) -> None:
    """A long pipelined sending: each mail arrives once."""
    with Mailer(postfix.url, from_email="shop@example.com") as mailer:
        tally = mailer.send_many(Message(f"{number}", "x", to=TO) for number in range(300)).finish()
    assert (tally.messages, tally.accepted) == (300, 300)
    assert sorted(int(mail.message()["Subject"]) for mail in postfix.delivered()) == list(range(300))
