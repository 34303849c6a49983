"""The whole mail as chunks: streamed, shared, and checked once more before it leaves."""

from __future__ import annotations

import io
import os
import platform
import subprocess
import sys
import threading
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from mail import standard, wire
from samples import PNG, full, mail

from modernmail import Attachment, Message
from modernmail.content import Content
from modernmail.errors import InvalidAttachment, InvalidHeader
from modernmail.mime.render import document, entity

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1 << 20


def test_chunks_are_the_octets() -> None:
    """render() gives the octets of as_bytes(), in pieces."""
    message = full().header("Message-ID", "<1@example.com>").header("Date", "Thu, 05 Nov 2026 09:07:03 +0000")
    message.as_bytes()
    assert b"".join(message.render()) == message.as_bytes()


def test_exactly_these_octets() -> None:
    """The least mail, octet by octet."""
    message = Message("Hello", "How are you?\n", from_email="me@example.com", to=["Zoë <zoe@example.com>"])
    message.header("Date", "Thu, 05 Nov 2026 09:07:03 +0000").header("Message-ID", "<1@example.com>")
    assert message.as_bytes() == (
        b"From: me@example.com\r\n"
        b"To: =?utf-8?q?Zo=C3=AB?= <zoe@example.com>\r\n"
        b"Subject: Hello\r\n"
        b"Date: Thu, 05 Nov 2026 09:07:03 +0000\r\n"
        b"Message-ID: <1@example.com>\r\n"
        b"MIME-Version: 1.0\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\n"
        b"Content-Transfer-Encoding: 7bit\r\n"
        b"\r\n"
        b"How are you?\r\n"
    )


def test_the_standard_library_writes_the_same_octets(tmp_path: Path) -> None:
    """A mail of every kind of part, read and written again by the standard library, is the same octet by octet."""
    import email.policy

    path = tmp_path / "f.bin"
    path.write_bytes(os.urandom(2 * MIB))
    for message in (
        full(),
        mail(html="<p>x").embed("logo", PNG).attach_file(path),
        mail(text=None),
        mail().attach("m.eml", full()),
    ):
        octets = message.as_bytes()
        assert email.message_from_bytes(octets, policy=email.policy.SMTP).as_bytes() == octets


# -- files


@pytest.mark.parametrize("size", [10 * MIB, 50 * MIB])
def test_a_file_is_streamed_in_bounded_memory(tmp_path: Path, size: int) -> None:
    """A file of any size, rendered to a null sink, takes less than 1 MB of extra memory, in both forms."""
    path = tmp_path / "large.bin"
    with path.open("wb") as file:
        file.truncate(size)
    message = mail().attach_file(path)
    content = message.parcel().content
    assert content.is_streamed
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        total = sum(map(len, message.render()))
        stuffed = sum(map(len, content.stuffed_chunks()))
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000
    assert total == stuffed == content.size > size * 4 // 3


FAULTS = """
import resource, sys
from modernmail import Message

message = Message("s", from_email="me@example.com", to=["you@example.com"]).attach_file(sys.argv[1])
for turn in range(3):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    held = b""
    for chunk in message.render():
        held = chunk
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="counts what the heap of glibc does")
def test_blocks_of_a_file_share_their_memory(tmp_path: Path) -> None:
    """The blocks of a file take the same pages of memory again and again: the kernel makes few new ones."""
    path = tmp_path / "large.bin"
    with path.open("wb") as file:
        file.truncate(10 * MIB)
    run = subprocess.run(
        [sys.executable, "-c", FAULTS, str(path)], check=True, stdout=subprocess.PIPE, text=True
    )
    _, *others = map(int, run.stdout.split())  # the first time, modules are loaded too
    assert max(others) < 50


@pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, MIB + 1, 57 * 2048 * 9, 57 * 2048 * 9 + 56])
def test_a_file_arrives_with_its_octets(tmp_path: Path, size: int) -> None:
    """Small and large, a file arrives as it is; a file object read at once gives the same."""
    data = os.urandom(size)
    path = tmp_path / "f.bin"
    path.write_bytes(data)
    message = mail().attach_file(path).attach("g.bin", io.BytesIO(data))
    octets = wire(message)
    assert [part.get_payload(decode=True) for part in standard(octets).iter_attachments()] == [data, data]
    assert message.parcel().content.size == len(octets)
    path.unlink()
    with pytest.raises(InvalidAttachment, match="cannot be read"):
        message.as_bytes()


def write(path: Path, data: bytes) -> None:
    """Write a file with another modification time than before."""
    path.write_bytes(data)
    os.utime(path, ns=(1, 1))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda path: write(path, b"y" * (2 * MIB)), "has changed"),
        (lambda path: write(path, b"short"), "has changed"),
        (lambda path: path.unlink(), "cannot be read"),
        (lambda path: (path.rename(path.with_suffix(".old")), write(path, b"x" * (2 * MIB))), "has changed"),
    ],
)
def test_a_file_that_changes_after_the_snapshot_is_an_error(tmp_path: Path, change: Any, reason: str) -> None:
    """A streamed file that changed, shrank, vanished or was replaced stops the rendering: never other octets."""
    path = tmp_path / "f.bin"
    path.write_bytes(b"x" * (2 * MIB))
    content = mail().attach_file(path).parcel().content
    assert len(bytes(content)) == content.size
    change(path)
    with pytest.raises(InvalidAttachment, match=reason):
        bytes(content)


def test_a_file_that_changes_while_it_is_read(tmp_path: Path) -> None:
    """A file that grows or is cut during the pass is an error at the place where it shows."""
    path = tmp_path / "f.bin"
    for after, reason in ((lambda: os.truncate(path, 200_000), "early"), (lambda: append(path), "has grown")):
        path.write_bytes(b"x" * (2 * MIB))
        chunks = mail().attach_file(path).parcel().content.chunks()
        assert any(len(chunk) > 50_000 for chunk in chunks)  # the first of the file
        after()
        with pytest.raises(InvalidAttachment, match=reason):
            list(chunks)


def append(path: Path) -> None:
    """Add an octet to a file."""
    with path.open("ab") as file:
        file.write(b"!")


def test_a_small_file_is_encoded_once_and_read_again_when_it_changes(tmp_path: Path) -> None:
    """A path up to 1 MiB is kept encoded; the next mail after a change has the new content."""
    path = tmp_path / "f.txt"
    write(path, b"one" * 10000)
    attachment = Attachment.from_path(path)
    first, second = (mail(attachments=[attachment]).parcel() for _ in range(2))
    shared = [{id(piece) for piece in parcel.content.pieces} for parcel in (first, second)]
    assert shared[0] & shared[1]
    path.write_bytes(b"two" * 10000)
    message = mail(attachments=[attachment])
    (part,) = standard(message.as_bytes()).iter_attachments()
    assert part.get_payload(decode=True) == b"two" * 10000


def test_one_snapshot_may_be_read_by_many(tmp_path: Path) -> None:
    """A large file and a spool can be read by several threads at a time: each gets the whole."""
    path = tmp_path / "f.bin"
    data = os.urandom(3 * MIB)
    path.write_bytes(data)
    content = mail().attach_file(path).attach("g.bin", io.BytesIO(data)).parcel().content
    expected = bytes(content)
    found: list[bytes] = []
    threads = [threading.Thread(target=lambda: found.append(bytes(content))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4


def test_an_attachment_is_encoded_once_whichever_message_carries_it() -> None:
    """The same Attachment in many messages is one piece of octets."""
    attachment = Attachment("a.pdf", os.urandom(100_000))
    pieces = [
        next(
            piece
            for piece in mail(attachments=[attachment]).parcel().content.pieces
            if len(piece.data) > 100_000
        )
        for _ in range(3)
    ]
    assert pieces[0].data is pieces[1].data is pieces[2].data


# -- the last check


@pytest.mark.parametrize(
    "fields",
    [
        "From: a@b.c\r\nBcc: evil@example.net\r\n",
        "From: a@b.c\r\n\r\nbody\r\n",
        "From: a\nb\r\n",
        "From: a\rb\r\n",
        "From: a@b.c",
        "X: a@b.c\r\n",
        f"From: {'x' * 1000}\r\n",
    ],
)
def test_the_names_that_begin_lines_are_those_meant(fields: str) -> None:
    """Whatever happened before, a header block with another field, a bare CR or LF, or a long line does not leave."""
    with pytest.raises(InvalidHeader):
        document([fields], ["From:"], entity(None))


@pytest.mark.parametrize(
    "fields",
    [
        ["From: a@b.c", "To: b@c.d\r\n\r\n"],
        ["From: a@b.c\r\n\r\n", "To: b@c.d"],
        ["From: a@b.c\r", "To: b@c.d\n\r\n"],
        ["To: b@c.d\r\n", "From: a@b.c\r\n"],
        ["From: a@b.c\r\n", "To: b@c.d\r\n", "Bcc: evil@example.net\r\n"],
        ["From: a@b.c\r\n"],
    ],
)
def test_each_field_has_its_own_line_end(fields: list[str]) -> None:
    """One field too many or too few, in another order, or with the line end of another, does not leave."""
    with pytest.raises(InvalidHeader):
        document(fields, ["From:", "To:"], entity(None))


def test_content_is_a_value() -> None:
    """Content compares by its octets, survives a pickle, and shows its size."""
    import pickle

    content = Content.of(b"Subject: x\r\n\r\nbody\r\n")
    assert content == Content.of(b"Subject: x\r\n\r\nbody\r\n")
    assert content != Content.of(b"Subject: y\r\n\r\nbody\r\n")
    assert pickle.loads(pickle.dumps(content)) == content
    assert len({content, Content.of(bytes(content))}) == 1
    assert repr(content) == "<Content of 20 octets>"
    with pytest.raises(AttributeError, match="frozen"):
        content.size = 1  # type: ignore[misc]
