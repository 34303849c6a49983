"""The small backends: console, file, memory and null; and what every backend has in common."""

from __future__ import annotations

import asyncio
import io
import json
import os
import threading
from typing import TYPE_CHECKING

import pytest

import modernmail
from modernmail import Backend, Envelope, Mailer, Message, Outcome, Receipt
from modernmail.backends.console import ConsoleBackend
from modernmail.backends.file import FileBackend
from modernmail.backends.memory import MemoryBackend
from modernmail.errors import (
    AuthenticationFailed,
    ConnectFailed,
    ContentRefused,
    InvalidAttachment,
    OutcomeUnknown,
    RecipientsRefused,
    SecurityFailed,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from modernmail import Parcel
    from modernmail.runtime import IO


def hello(**changes: object) -> Message:
    """Return a message with a Bcc."""
    arguments: dict[str, object] = {
        "from_email": "me@example.com",
        "to": "Zoë <zoe@example.com>",
        "bcc": "bcc@example.com",
    }
    return Message("Grüße", "Hello\n.dot\n", **(arguments | changes))  # type: ignore[arg-type]


def deliver_sync(mailer: Mailer, message: Message) -> Receipt:
    """Send, sync."""
    return mailer.send(message)


def deliver_async(mailer: Mailer, message: Message) -> Receipt:
    """Send under asyncio."""
    return asyncio.run(mailer.asend(message))


both = pytest.mark.parametrize("deliver", [deliver_sync, deliver_async])


@both
@pytest.mark.parametrize("url", ["console:", "memory:", "null:", "file://{folder}"])
def test_every_backend_takes_mail_both_ways(
    url: str, deliver: Callable[[Mailer, Message], Receipt], tmp_path: Path
) -> None:
    """Everybody is accepted, the outcome says where the mail is, and the mailer can be closed and used again."""
    mailer = Mailer(url.format(folder=tmp_path))
    for _ in range(2):
        receipt = deliver(mailer, hello())
        assert receipt.accepted == ("zoe@example.com", "bcc@example.com")
        assert receipt.is_complete
        assert all(outcome.reason for outcome in receipt.recipients.values())
        mailer.close()
        asyncio.run(mailer.aclose())


@pytest.mark.parametrize("url", ["console:", "memory:", "null:", "file://{folder}"])
def test_every_backend_waits_for_the_commit_point(url: str, tmp_path: Path) -> None:
    """The outbox's mark is made before the mail is anywhere; when it fails, nothing is."""
    from modernmail.backends.single import Single
    from modernmail.runtime import BlockingIO, run_blocking

    backend = Mailer(url.format(folder=tmp_path)).backend
    seen: list[Parcel] = []

    async def mark(parcel: Parcel) -> None:
        seen.append(parcel)
        if len(seen) == 2:
            raise RuntimeError("the mark could not be made")

    parcel = hello().parcel()
    io = BlockingIO(mark)
    assert run_blocking(backend.deliver(Single(parcel), io).next()) is not None
    receipts = backend.deliver(Single(parcel), io)
    with pytest.raises(RuntimeError, match="the mark"):
        run_blocking(receipts.next())
    assert len(run_blocking(receipts.close())) == 1
    assert seen == [parcel, parcel]
    if isinstance(backend, MemoryBackend):
        assert len(backend.outbox) == 1
    if isinstance(backend, FileBackend):
        assert len(list(tmp_path.glob("*.eml"))) == 1


# -- console


def test_the_console_shows_envelope_and_mail(capsys: pytest.CaptureFixture[str]) -> None:
    """Standard output gets the envelope, Bcc too, and the wire form with plain line ends."""
    Mailer("console:").send(hello())
    out = capsys.readouterr().out
    assert "Return-Path: <me@example.com>\nRecipients: zoe@example.com, bcc@example.com\n" in out
    assert "\nSubject: =?utf-8?" in out
    assert out.endswith("\n\nHello\n.dot\n" + "-" * 78 + "\n")
    assert "\r" not in out


def test_the_console_can_be_any_stream() -> None:
    """A stream may be given; each mail is one write, so that threads do not mix theirs."""

    class Counted(io.StringIO):
        writes = 0

        def write(self, text: str) -> int:
            self.writes += 1
            return super().write(text)

    stream = Counted()
    mailer = Mailer(ConsoleBackend(stream))
    mailer.send(hello())
    mailer.send(hello())
    assert stream.writes == 2
    assert stream.getvalue().count("Return-Path: <me@example.com>") == 2


# -- memory


def test_memory_keeps_parcels_in_order() -> None:
    """`outbox` holds what was sent, envelope and octets; `clear` forgets."""
    mailer = Mailer("memory:")
    first, second = mailer.send(hello()), mailer.send(hello(), envelope=Envelope("", ["other@example.com"]))
    backend = mailer.backend
    assert isinstance(backend, MemoryBackend)
    assert [parcel.message_id for parcel in backend.outbox] == [first.message_id, second.message_id]
    assert backend.outbox[0].envelope.recipients == ("zoe@example.com", "bcc@example.com")
    assert backend.outbox[1].envelope.return_path == ""
    backend.clear()
    assert backend.outbox == []


def test_memory_shows_messages() -> None:
    """`messages` are the same mails as one would write them."""
    mailer = Mailer("memory:")
    mailer.send(hello(attachments=[("a.pdf", b"%PDF", "application/pdf")]))
    (found,) = mailer.backend.messages  # type: ignore[attr-defined]
    assert isinstance(found, Message)
    assert (found.subject, found.to) == ("Grüße", hello().to)
    assert [attachment.filename for attachment in found.attachments] == ["a.pdf"]


def test_memory_keeps_what_was_sent_not_what_the_file_became(tmp_path: Path) -> None:
    """A large file is streamed; after the send it may change or vanish."""
    path = tmp_path / "large.bin"
    path.write_bytes(os.urandom(3 << 20))
    mailer = Mailer("memory:")
    message = hello().attach_file(path)
    parcel = mailer.parcel(message)
    expected = bytes(parcel.content)
    mailer.send(parcel)
    path.unlink()
    backend = mailer.backend
    assert isinstance(backend, MemoryBackend)
    assert bytes(backend.outbox[0].content) == expected


def test_threads_share_the_memory() -> None:
    """Each mail of each thread is kept once."""
    mailer = Mailer("memory:")
    threads = [threading.Thread(target=lambda: [mailer.send(hello()) for _ in range(25)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({parcel.message_id for parcel in mailer.backend.outbox}) == 200  # type: ignore[attr-defined]


# -- file


def test_a_file_per_mail_and_its_envelope_beside(tmp_path: Path) -> None:
    """`.eml` holds the exact octets, `.json` of the same name the envelope, Bcc too; the folder is made."""
    folder = tmp_path / "a" / "b"
    mailer = Mailer(f"file://{folder}")
    parcel = mailer.parcel(hello())
    receipt = mailer.send(parcel)
    (eml,) = folder.glob("*.eml")
    assert eml.read_bytes() == bytes(parcel.content)
    envelope = json.loads(eml.with_suffix(".json").read_text(encoding="utf-8"))
    assert envelope["message_id"] == parcel.message_id
    assert Envelope.from_dict(envelope) == parcel.envelope
    assert "bcc@example.com" in envelope["recipients"]
    assert receipt.recipients["zoe@example.com"].reason == f"written to {eml}"
    assert len(list(folder.iterdir())) == 2


def test_files_sort_in_the_order_of_sending(tmp_path: Path) -> None:
    """The names tell which came first; nothing is ever overwritten."""
    mailer = Mailer(f"file://{tmp_path}")
    receipts = list(mailer.send_many(hello() for _ in range(20)))
    named = [json.loads(path.read_text())["message_id"] for path in sorted(tmp_path.glob("*.json"))]
    assert named == [receipt.message_id for receipt in receipts]


def test_a_reader_never_sees_half_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a mail is written, no .eml is there; once it is, it is whole and its envelope is beside it."""
    from modernmail.content import Content

    mailer = Mailer(f"file://{tmp_path}")
    parcel = mailer.parcel(hello())
    whole = bytes(parcel.content)
    seen = []

    class Watched:
        size = len(whole)

        def blocks(self) -> object:
            for at in range(0, len(whole), 50):
                yield whole[at : at + 50]
                seen.append(sorted(path.suffix for path in tmp_path.iterdir() if path.name[0] != "."))

    mailer.send(parcel.replace(content=Content([Watched()])))  # type: ignore[list-item]
    assert len(seen) > 3
    assert all(names == [".json"] for names in seen)
    (eml,) = tmp_path.glob("*.eml")
    assert eml.read_bytes() == whole
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".partial"]


@both
def test_a_folder_that_cannot_be_written(
    deliver: Callable[[Mailer, Message], Receipt], tmp_path: Path
) -> None:
    """A file in the way: nothing was sent, it may be tried again, and nothing half-written remains."""
    (tmp_path / "file").write_text("in the way")
    mailer = Mailer(f"file://{tmp_path}/file/mails")
    with pytest.raises(ConnectFailed, match=r"cannot write to .*/file/mails") as caught:
        deliver(mailer, hello())
    assert caught.value.is_transient
    assert caught.value.receipt is not None
    assert caught.value.receipt.retry_recipients() == ("zoe@example.com", "bcc@example.com")
    with pytest.raises(ConnectFailed, match="cannot write to"):
        mailer.verify()


def test_a_disk_that_fills_up_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the content cannot be written whole, neither mail nor envelope is there."""
    mailer = Mailer(f"file://{tmp_path}")
    calls = []
    synchronise = os.fsync

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        synchronise(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConnectFailed, match="No space left on device"):
        mailer.send(hello())
    assert list(tmp_path.iterdir()) == []


def test_verify_makes_the_folder(tmp_path: Path) -> None:
    """`verify` says where mail would go, and sees to it that it could."""
    assert Mailer(f"file://{tmp_path}/mails").verify() == {"directory": f"{tmp_path}/mails"}
    assert (tmp_path / "mails").is_dir()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere: run the tests as another user")
def test_verify_of_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    """A folder of somebody else's is told by `verify`."""
    tmp_path.chmod(0o500)
    with pytest.raises(ConnectFailed, match="permission denied"):
        Mailer(f"file://{tmp_path}").verify()


# -- a file that changes between snapshot and sending


@both
@pytest.mark.parametrize("url", ["console:", "memory:", "null:", "file://{folder}"])
def test_a_file_that_changed_is_a_fault_of_its_mail(
    url: str, deliver: Callable[[Mailer, Message], Receipt], tmp_path: Path
) -> None:
    """The content cannot be read as it was promised: ContentRefused, nothing kept, and the others go on."""
    path, folder = tmp_path / "large.bin", tmp_path / "mails"
    path.write_bytes(os.urandom(2 << 20))
    mailer = Mailer(url.format(folder=folder))
    parcel = mailer.parcel(hello().attach_file(path))
    path.write_bytes(b"other")
    with pytest.raises(ContentRefused, match=r"the content could not be read: .*has changed") as caught:
        deliver(mailer, parcel)  # type: ignore[arg-type]
    assert isinstance(caught.value.__cause__, InvalidAttachment)
    assert caught.value.receipt is not None
    assert caught.value.receipt.recipients["zoe@example.com"].status == "deferred"
    assert [receipt.is_complete for receipt in mailer.send_many([hello(), parcel, hello()])] == [
        True,
        False,
        True,
    ]
    if isinstance(mailer.backend, FileBackend):
        assert len(list(folder.iterdir())) == 4


# -- a backend of one's own


class Own(Backend):
    """Does with each parcel what it is told."""

    def __init__(self, act: Callable[[Parcel], Receipt]) -> None:
        self.act = act

    async def send(self, parcel: Parcel, io: IO) -> Receipt:
        """Do it."""
        return self.act(parcel)


def accepted(parcel: Parcel) -> Receipt:
    """Return a good receipt."""
    return Receipt(parcel.message_id, parcel.envelope, Outcome("accepted"))


def test_a_backend_writes_one_method() -> None:
    """`send` is enough for one mail and for many; positions are put in."""
    mailer = Mailer(Own(accepted))
    assert mailer.send(hello()).is_complete
    assert [receipt.position for receipt in mailer.send_many([hello(), hello()])] == [0, 1]
    assert mailer.verify() == {}
    assert repr(mailer) == "<Mailer <Own>>"


def test_a_backend_without_send_says_so() -> None:
    """Neither `send` nor `deliver`: the class is named."""
    with pytest.raises(NotImplementedError, match="Backend must write send"):
        Mailer(Backend()).send(hello())


def test_a_delivery_error_of_a_backend_is_about_its_mail() -> None:
    """It may be raised: in a stream it is a receipt, with the recipients deferred unless it brings its own."""
    full = RecipientsRefused("no")

    def refuse(parcel: Parcel) -> Receipt:
        if parcel.envelope.recipients[0] == "a@example.com":
            raise ConnectFailed("gone", is_transient=True)
        raise full

    mailer = Mailer(Own(refuse))
    parcel = hello().parcel()
    full.receipt = Receipt(parcel.message_id, parcel.envelope, Outcome("rejected", reason="full"), error=full)
    receipts = list(mailer.send_many([hello(to="a@example.com"), parcel]))
    assert [outcome.status for outcome in receipts[0].recipients.values()] == ["deferred", "deferred"]
    assert isinstance(receipts[0].error, ConnectFailed)
    assert [outcome.status for outcome in receipts[1].recipients.values()] == ["rejected", "rejected"]
    assert receipts[1].position == 1
    with pytest.raises(ConnectFailed) as caught:
        mailer.send(hello(to="a@example.com"))
    assert caught.value.receipt is not None


@pytest.mark.parametrize("kind", [SecurityFailed, AuthenticationFailed])
def test_a_fault_of_the_whole_sending_ends_it(kind: type[Exception]) -> None:
    """SecurityFailed and AuthenticationFailed are not about one mail: they are raised, the mail is deferred."""

    def refuse(parcel: Parcel) -> Receipt:
        raise kind("no")

    sending = Mailer(Own(refuse)).send_many([hello(), hello(), hello()])
    with pytest.raises(kind) as caught:
        sending.finish()
    assert caught.value.not_attempted == 2  # type: ignore[attr-defined]
    assert [receipt.retry_recipients() for receipt in sending.unsent] == [
        ("zoe@example.com", "bcc@example.com")
    ]


def test_an_accident_in_a_backend_is_unknown() -> None:
    """Any other exception comes through; what became of the mail nobody knows, and the receipt says so."""

    def fail(parcel: Parcel) -> Receipt:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        Mailer(Own(fail)).send(hello())
    receipt: Receipt = caught.value.receipt  # type: ignore[attr-defined]
    assert {outcome.status for outcome in receipt.recipients.values()} == {"unknown"}


def test_an_unknown_outcome_raises() -> None:
    """A backend that does not know says `unknown`, and send raises its error."""

    def lose(parcel: Parcel) -> Receipt:
        error = OutcomeUnknown("who knows")
        return Receipt(
            parcel.message_id, parcel.envelope, Outcome("unknown", reason="who knows"), error=error
        )

    with pytest.raises(OutcomeUnknown) as caught:
        Mailer(Own(lose)).send(hello())
    assert caught.value.receipt is not None


def test_a_backend_may_leave_the_error_to_us() -> None:
    """A receipt in which nobody was accepted raises, whether the backend put an error into it or not."""

    def refuse(parcel: Parcel) -> Receipt:
        return Receipt(parcel.message_id, parcel.envelope, Outcome("rejected", reason="full", phase="rcpt"))

    with pytest.raises(RecipientsRefused, match="full") as caught:
        Mailer(Own(refuse)).send(hello())
    assert caught.value.receipt is not None
    assert not caught.value.is_transient


def test_the_contract_is_public() -> None:
    """What a third party needs is importable from the top."""
    assert modernmail.Backend is Backend
    assert Backend.hosts == ()
