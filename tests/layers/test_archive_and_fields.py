"""Archive keeps a copy of what was accepted; Defaults and Overrides put header fields on every mail."""

from __future__ import annotations

import asyncio
import email
import email.policy
from typing import TYPE_CHECKING

import pytest

from modernmail import Mailer, Message
from modernmail.backends.file import FileBackend
from modernmail.backends.memory import MemoryBackend
from modernmail.errors import ConfigurationError, InvalidHeader, MailError, RecipientsRefused
from modernmail.layers import Archive, Defaults, Layer, Overrides, Retry
from modernmail.testing import Outbox, Rule, ScriptedSMTPServer

if TYPE_CHECKING:
    from email.message import EmailMessage
    from pathlib import Path

    from modernmail import Parcel


def message(**more: object) -> Message:
    """Return a small mail to two people."""
    people = ["ann@example.com", "bob@example.com"]
    return Message("Hi", "Text.\n", from_email="me@example.com", to=people, **more)  # type: ignore[arg-type]


def sent(*layers: Layer, letter: Message | None = None) -> EmailMessage:
    """Return the mail that arrives, read by the standard library."""
    mailer = Mailer("memory:", layers=layers)
    mailer.send(letter or message())
    (parcel,) = mailer.backend.outbox  # type: ignore[attr-defined]
    read = email.message_from_bytes(bytes(parcel.content), policy=email.policy.default)
    assert not read.defects
    return read  # type: ignore[return-value]


# -- archive


@pytest.mark.parametrize("is_async", [False, True])
def test_a_copy_for_those_who_accepted(is_async: bool) -> None:
    """The archive gets the same octets, for the recipients that were accepted."""
    archive = MemoryBackend()
    rules = [Rule("RCPT", contains="bob@").reply("550 5.1.1 no")]
    with ScriptedSMTPServer(rules) as server, Mailer(server.url(), layers=[Archive(archive)]) as mailer:
        receipt = asyncio.run(mailer.asend(message())) if is_async else mailer.send(message())
        assert receipt.accepted == ("ann@example.com",)
        (copy,) = archive.outbox
        assert copy.envelope.recipients == ("ann@example.com",)
        assert bytes(copy.content) == server.commits[0].content


@pytest.mark.parametrize("last", ["250", "550"])
def test_nobody_is_left_out_who_accepted_before_another_attempt(last: str) -> None:
    """In front of Retry the archive gets one copy, for those of all attempts."""
    archive = MemoryBackend()
    rules = [
        Rule("RCPT", nth=2).reply("450 4.2.0 later"),
        Rule("RCPT", nth=3).reply(f"{last} {last[0]}.1.5 said"),
    ]
    with ScriptedSMTPServer(rules) as server:
        with Mailer(server.url(), layers=[Archive(archive), Retry(delay=0)]) as mailer:
            receipt = mailer.send(message())
        assert receipt.attempts == 2
        (copy,) = archive.outbox
        assert copy.envelope.recipients == receipt.accepted
        assert bytes(copy.content) == server.commits[0].content


def test_no_copy_of_what_nobody_accepted() -> None:
    """A mail that was not sent is not archived."""
    archive = MemoryBackend()
    with ScriptedSMTPServer([Rule("MAIL").reply("550 5.7.1 no")]) as server:
        mailer = Mailer(server.url(), layers=[Archive(archive)])
        with pytest.raises(MailError):
            mailer.send(message())
        mailer.close()
    assert not archive.outbox


def test_an_archive_that_delivers_has_an_address_of_its_own() -> None:
    """A copy by SMTP goes to the archive alone, and says who got the mail; without `to` it is refused."""
    with ScriptedSMTPServer() as server:
        with pytest.raises(ConfigurationError, match="say to="):
            Archive(server.url())
        with Mailer("memory:", layers=[Archive(server.url(), to="archive@example.com")]) as mailer:
            mailer.send(message())
        (commit,) = server.commits
        assert commit.recipients == ("archive@example.com",)
        assert commit.content.startswith(b"X-Archived-Recipients: ann@example.com, bob@example.com\r\n")
        server.wait_until_idle()  # the mailer closed the archive's connection too


def test_a_copy_that_fails_is_told_and_fails_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The mail is sent: the receipt is the same, with a note, and the log says it."""
    (tmp_path / "file").touch()
    receipt = Mailer("memory:", layers=[Archive(FileBackend(tmp_path / "file" / "below"))]).send(message())
    assert receipt.is_complete
    assert "no copy was archived" in receipt.notes[0]
    assert "was archived" in caplog.text
    with ScriptedSMTPServer([Rule("RCPT").reply("550 5.1.1 full")]) as server:
        refused = Archive(server.url(), to="archive@example.com")
        receipt = Mailer("memory:", layers=[refused]).send(message())
        asyncio.run(Mailer("memory:", layers=[refused]).aclose())
        Mailer("memory:", layers=[refused]).close()
    assert "550 5.1.1 full" in receipt.notes[0]


def test_the_outbox_of_a_test_has_each_mail_once(outbox: Outbox) -> None:
    """Under the fixture `outbox` no copy is made: it has the mail."""
    Mailer("memory:", layers=[Archive("null:")]).send(message())
    assert len(outbox) == 1


def test_an_archive_is_guarded_in_tests() -> None:
    """A test that did not ask for the outbox sends no copy to a real host."""
    mailer = Mailer("memory:", layers=[Archive("smtp://mail.example.com", to="archive@example.com")])
    with pytest.raises(ConfigurationError, match=r"real mail to mail\.example\.com"):
        mailer.send(message())


def test_wrong_archives_are_refused() -> None:
    """What is no backend, and an address that is none."""
    with pytest.raises(ConfigurationError, match="must be a URL or a Backend"):
        Archive(5)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="to: 'a@'"):
        Archive("memory:", to="a@")


# -- defaults and overrides


def test_defaults_are_for_mails_without() -> None:
    """A field that is there stays; one that is not is added, encoded as any."""
    layer = Defaults({"X-One": "grün", "X-Two": "2"}, reply_to=["Hélp <help@example.com>"], tags=["a", "b"])
    read = sent(layer)
    assert (read["X-One"], read["X-Two"], read.get_all("X-Tag")) == ("grün", "2", ["a", "b"])
    assert read["Reply-To"].addresses[0].display_name == "Hélp"
    read = sent(layer, letter=message(headers={"x-one": "mine", "X-Tag": "c"}, reply_to="me@example.com"))
    assert (read.get_all("X-One"), read.get_all("X-Tag"), read["Reply-To"]) == (
        ["mine"],
        ["c"],
        "me@example.com",
    )


def test_overrides_replace() -> None:
    """Every field of that name goes, folded ones too, and the new one stands once."""
    long = "word " * 40
    letter = message(headers=[("X-One", long), ("Comments", "a"), ("Comments", "b"), ("X-Two", "2")])
    read = sent(Overrides({"X-ONE": "1", "Comments": "c"}), letter=letter)
    assert (read.get_all("X-One"), read.get_all("Comments"), read["X-Two"]) == (["1"], ["c"], "2")
    assert read.get_content() == "Text.\r\n"


def test_large_content_is_shared_not_copied() -> None:
    """A field is put in front without copying what many mails share."""
    letter = message(attachments=[("a.bin", bytes(300_000))])
    plain = letter.parcel()
    mailer = Mailer("memory:", layers=[Overrides({"X-One": "1"}), Defaults({"X-Two": "2"})])
    mailer.send(plain)
    (parcel,) = mailer.backend.outbox  # type: ignore[attr-defined]
    assert large(parcel) == large(plain) != []
    assert all(one is other for one, other in zip(large(parcel), large(plain), strict=True))


def large(parcel: Parcel) -> list[object]:
    """Return the pieces that are worth sharing."""
    return [piece for piece in parcel.content.pieces if len(piece.data) > 100_000]  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", [Defaults, Overrides])
@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({}, ConfigurationError),
        ({"headers": {"Subject": "x"}}, InvalidHeader),
        ({"headers": {"X-A": "a\r\nBcc: x"}}, InvalidHeader),
        ({"headers": {"Date": "Mon, 01 Jan 2024 00:00:00 +0000"}}, ConfigurationError),
        ({"reply_to": "zoë@example.com"}, ConfigurationError),
        ({"reply_to": "zoe@"}, MailError),
        ({"tags": ["a\nb"]}, InvalidHeader),
        ({"tags": 5}, ConfigurationError),
    ],
    ids=str,
)
def test_wrong_fields_are_refused(
    kind: type[Layer], wrong: dict[str, object], error: type[Exception]
) -> None:
    """What could not stand in a header cannot be a default either."""
    with pytest.raises(error):
        kind(**wrong)


def test_recipients_refused_is_seen_behind_layers() -> None:
    """The error of the server passes every layer."""
    with ScriptedSMTPServer([Rule("RCPT").reply("550 5.1.1 no")]) as server:
        mailer = Mailer(server.url(), layers=[Archive("memory:"), Defaults({"X": "1"})])
        with pytest.raises(RecipientsRefused):
            mailer.send(message())
        mailer.close()
