"""What others wrote leaves as one mail, whatever is in it: no server reads a second one out of it.

Content that the renderer did not make comes from the inbox, which keeps what was sent as it was, and from queues.
"""

from __future__ import annotations

import asyncio
import os
from binascii import b2a_base64
from typing import TYPE_CHECKING

import pytest

from modernmail import Envelope, Mailer, Message, Parcel
from modernmail.content import Content
from modernmail.errors import ContentRefused, InvalidMessage
from modernmail.inbox.mail import CapturedMail
from modernmail.inbox.web.release import Release
from modernmail.testing import ScriptedSMTPServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEAD = b"From: me@example.org\r\nSubject: Hi\r\n"
HIDDEN = b"MAIL FROM:<evil@example.net>%bRCPT TO:<victim@example.net>%bDATA%bx%b.%b"
TRICKS = {
    f"{end!r} {dots!r}": HEAD + b"\r\ntext" + dots + HIDDEN % ((end,) * 5) + b"\r\n"
    for end in (b"\n", b"\r", b"\r\n")
    for dots in (b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\n\r\n.\r\n")
}
TRICKS |= {
    "no line end": HEAD + b"\r\ntext",
    "no blank line": HEAD,
    "NUL": HEAD + b"\r\na\0b\r\n",
    "long line": HEAD + b"\r\n" + b"x" * 999 + b"\r\n",
    "Bcc": b"bCC: hidden@example.com\r\n" + HEAD + b"\r\ntext\r\n",
    "Resent-Bcc": HEAD + b"Resent-Bcc : hidden@example.com\r\n\r\ntext\r\n",
    "folded Bcc": HEAD + b"Bcc:\r\n hidden@example.com\r\n\r\ntext\r\n",
}


@pytest.fixture(scope="module", params=["DATA", "BDAT"])
def server(request: pytest.FixtureRequest) -> Iterator[tuple[ScriptedSMTPServer, Mailer]]:
    """Give a server, and a mailer that sends to it by DATA or by BDAT."""
    is_chunked = request.param == "BDAT"
    capabilities = ["PIPELINING", "8BITMIME", *(["CHUNKING"] if is_chunked else [])]
    with ScriptedSMTPServer(capabilities=capabilities) as found:
        yield found, Mailer(found.url(chunking="on" if is_chunked else None))


def is_whole(raw: bytes) -> bool:
    """Return whether octets, as they came over the wire, are one mail for every server."""
    lines = raw.split(b"\r\n")
    return (
        lines[-1] == b""
        and all(b"\r" not in line and b"\n" not in line and b"\0" not in line for line in lines)
        and max(map(len, lines)) <= 999  # a doubled dot among them
    )


@pytest.mark.parametrize("trick", TRICKS)
def test_a_caught_mail_that_is_released(trick: str, server: tuple[ScriptedSMTPServer, Mailer]) -> None:
    """What the inbox caught goes out with line ends that all servers read alike, and without blind copies."""
    target, mailer = server
    before = len(target.commits)
    mail = CapturedMail("me@example.org", ("you@example.com",), TRICKS[trick])
    receipt = asyncio.run(Release(mailer, ["*@example.com"]).send(mail, ["you@example.com"]))
    assert receipt.is_complete
    (commit,) = target.commits[before:]
    assert (commit.sender, commit.recipients) == ("me@example.org", ("you@example.com",))
    (found,) = target.sessions[-1].transactions
    assert is_whole(found.raw)
    assert b"hidden" not in found.raw.lower()
    text, given = Message.from_bytes(commit.content).text, Message.from_bytes(TRICKS[trick]).text
    assert (text or "").rstrip("\n") == (given or "").replace("\r", "\n").rstrip("\n")


def test_a_caught_mail_that_is_fine_is_not_touched(server: tuple[ScriptedSMTPServer, Mailer]) -> None:
    """It goes out octet by octet, so that its signature holds."""
    target, mailer = server
    octets = b"DKIM-Signature: v=1;\r\n\tb=x\r\n" + HEAD + b"X-A:1 \r\n\r\n.text \r\n\xc3\xa9\r\n"
    mail = CapturedMail("me@example.org", ("you@example.com",), octets)
    asyncio.run(Release(mailer, ["*@example.com"]).send(mail, ["you@example.com"]))
    assert target.commits[-1].content == octets


@pytest.mark.parametrize("trick", TRICKS)
def test_content_and_parcels_of_others(trick: str) -> None:
    """Neither is made of octets that may not leave, be it from a queue; the error shows nothing of them."""
    whole = Parcel(
        Envelope("me@example.org", ["you@example.com"]), Content.of(HEAD + b"\r\ntext\r\n"), "<1@x>"
    )
    changed = {**whole.to_dict(), "content": b2a_base64(TRICKS[trick], newline=False).decode()}
    for make in (lambda: Content.of(TRICKS[trick]), lambda: Parcel.from_dict(changed)):
        with pytest.raises(InvalidMessage, match="content: '…': ") as caught:
            make()
        assert "hidden" not in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_file_that_became_a_pipe(tmp_path: Path) -> None:
    """Whoever can put a named pipe in the place of a file holds no sending up: it is another file, and that is said at once."""
    path = tmp_path / "report.pdf"
    path.write_bytes(bytes(2_000_000))
    message = Message("Hi", "text", from_email="me@example.org", to="you@example.com").attach_file(path)
    with ScriptedSMTPServer() as server, Mailer(server.url()) as mailer:
        parcel = mailer.parcel(message)
        path.unlink()
        os.mkfifo(path)
        with pytest.raises(ContentRefused, match="has changed since the message was built"):
            mailer.send(parcel)
