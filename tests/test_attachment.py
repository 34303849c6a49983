"""Attachment: what it takes, what it makes of it, and what it refuses."""

from __future__ import annotations

import gc
import io
import os
import pickle
from typing import TYPE_CHECKING, Any

import pytest
from forked import forks, in_a_child
from mail import standard
from samples import PNG, mail

from modernmail import Attachment, Message
from modernmail.errors import InvalidAttachment
from modernmail.media_type import MediaType

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"bytes", b"bytes"),
        ("text é", "text é".encode()),
        (bytearray(b"array"), b"array"),
        (memoryview(b"view"), b"view"),
        (io.BytesIO(b"file"), b"file"),
    ],
)
def test_what_content_may_be(content: Any, expected: bytes) -> None:
    """Bytes of any kind, text, and binary files, which are read at once."""
    attachment = Attachment("a.bin", content, "application/x-a")
    assert (attachment.content, attachment.size, attachment.path) == (expected, len(expected), None)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.pdf", "application/pdf"), ("a.PNG", "image/png"), ("backup.tar.gz", "application/gzip"),
        ("a.tgz", "application/gzip"), ("a", "application/octet-stream"), ("a.unknown-ending", "application/octet-stream"),
        ("a.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"), ("a.webp", "image/webp"),
        ("a.ics", "text/calendar; charset=utf-8"), ("a.md", "text/markdown; charset=utf-8"),
        (".hidden", "application/octet-stream"), ("a.mp4", "video/mp4"),
    ],
)  # fmt: skip
def test_the_media_type_follows_from_the_name(name: str, expected: str) -> None:
    """The same name gives the same type on every machine."""
    assert Attachment(name, b"x").media_type == expected


def test_text_says_its_charset() -> None:
    """Text is UTF-8 and says so; a charset that is given is honoured; bytes that are no UTF-8 are octets."""
    assert Attachment("a.txt", "é").media_type == "text/plain; charset=utf-8"
    assert Attachment("a.txt", "é".encode()).media_type == "text/plain; charset=utf-8"
    latin = Attachment("a.txt", "é", "text/plain; charset=iso-8859-1")
    assert (latin.content, latin.media_type) == (b"\xe9", "text/plain; charset=iso-8859-1")
    assert Attachment("a.txt", b"\xe9").media_type == "application/octet-stream"
    assert (
        Attachment("a.txt", b"\xe9", "text/plain; charset=iso-8859-1").media_type
        == "text/plain; charset=iso-8859-1"
    )
    assert Attachment("a.csv", "a,b\r\n1,2\n\r").content == b"a,b\r\n1,2\n\r"
    with pytest.raises(
        InvalidAttachment, match=r"^content: .*U\+65E5 at position 1 cannot be encoded as latin-1"
    ):
        Attachment("a.txt", "é日", "text/plain; charset=latin-1")
    for charset in ("no-such", "rot13", "undefined"):
        with pytest.raises(InvalidAttachment, match=rf"^media_type: .*charset {charset} is unknown"):
            Attachment("a.txt", "x", f"text/plain; charset={charset}")


@pytest.mark.parametrize(
    "data", [b"", b"\0\r\n\n\r.\r\n", bytes(range(256)) * 50, b"From x\n.\n", "é\r".encode()]
)
@pytest.mark.parametrize("media_type", ["application/x-a", "text/plain", "text/html; charset=utf-8"])
def test_octets_arrive_exactly(data: bytes, media_type: str) -> None:
    """Line ends, NUL and dots in an attachment are not touched, whatever it is called."""
    (part,) = standard(mail().attach("a", data, media_type).as_bytes()).iter_attachments()
    assert part.get_payload(decode=True) == data


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd", "passwd"), ("/etc/passwd", "passwd"), ("C:\\Users\\me\\a.txt", "a.txt"), ("a/b\\c", "c"),
        ("..", ".."), (".", "."), ("a b.txt", "a b.txt"), ("日本語.pdf", "日本語.pdf"), ("x" * 300, "x" * 300),
        ("~/a", "a"), ("\u202egnp.exe", "\u202egnp.exe"),
    ],
)  # fmt: skip
def test_a_name_with_a_path_is_its_last_part(name: str, kept: str) -> None:
    """A path in a name is dropped; any other name stays as it is."""
    attachment = Attachment(name, b"x")
    assert attachment.filename == kept
    (part,) = standard(mail(attachments=[attachment]).as_bytes()).iter_attachments()
    assert part.get_filename() == kept


@pytest.mark.parametrize("name", ["", "a/", "a\\", "a\tb", "a\nb", "a\0b", "a\x7f", "\ud800", 5, b"a"])
def test_names_that_no_parameter_can_carry(name: Any) -> None:
    """An empty name, a folder, and controls are refused."""
    with pytest.raises(InvalidAttachment, match=r"^filename"):
        Attachment(name, b"x")


def test_paths_are_opened_by_path_arguments_only(tmp_path: Path) -> None:
    """from_path, attach_file and a Path open a file; a str is content, never a path."""
    path = tmp_path / "ü.txt"
    path.write_text("in the file\n", encoding="utf-8")
    for attachment in (
        Attachment.from_path(path),
        Attachment.from_path(str(path)),
        Attachment("ü.txt", path),
        mail().attach_file(path).attachments[0],
        mail().attach("ü.txt", path).attachments[0],
    ):
        assert (attachment.filename, attachment.content) == ("ü.txt", b"in the file\n")
        assert attachment.path == str(path)
    assert Attachment("ü.txt", str(path)).content == str(path).encode()
    other = Attachment.from_path(
        path, filename="b.csv", media_type="text/csv", disposition="inline", content_id="x"
    )
    assert (other.filename, other.kind.essence, other.disposition, other.content_id) == (
        "b.csv",
        "text/csv",
        "inline",
        "x",
    )
    image = tmp_path / "logo.png"
    image.write_bytes(PNG)
    (embedded,) = mail(html="<img src=cid:logo>").embed("logo", image).attachments
    assert (embedded.filename, embedded.media_type) == ("logo.png", "image/png")


@pytest.mark.parametrize("size", [0, 2 << 20])
def test_an_embedded_image_is_known_by_its_first_octets(tmp_path: Path, size: int) -> None:
    """Whatever holds it: octets, a file object, a path or a name whose ending says nothing."""
    octets = PNG + b"x" * size
    path = tmp_path / "logo"
    path.write_bytes(octets)
    message = mail(html="<img src=cid:a>").embed("a", octets).embed("b", bytearray(octets))
    message.embed("c", io.BytesIO(octets)).embed("d", path).embed("e", octets, filename="logo.of-ours")
    with path.open("rb") as file:
        message.embed("f", file)
    assert [(part.media_type, part.content == octets) for part in message.attachments] == [
        ("image/png", True)
    ] * 6
    message.embed("g", b"???", filename="a.bin").embed("h", octets, "application/octet-stream")
    assert [part.media_type for part in message.attachments[6:]] == ["application/octet-stream"] * 2
    with pytest.raises(InvalidAttachment, match=r"^media_type: None: cannot be guessed"):
        message.embed("i", io.BytesIO(b"???"))


def test_files_that_cannot_be_read_are_refused_at_once(tmp_path: Path) -> None:
    """A missing file, a folder, and a path that is none are errors where they are given."""
    for path, reason in (
        (tmp_path / "missing", "cannot be read"),
        (tmp_path, "not a regular file"),
        ("/no\0/where", "cannot be read"),
    ):
        with pytest.raises(InvalidAttachment, match=rf"^path: .*{reason}"):
            mail().attach_file(path)
    with pytest.raises(InvalidAttachment, match=r"^path: 5"):
        Attachment.from_path(5)  # type: ignore[arg-type]
    with pytest.raises(InvalidAttachment, match=r"^path: .*path of text"):
        Attachment("a", _BytesPath())  # type: ignore[arg-type]
    if os.geteuid() != 0:
        secret = tmp_path / "secret"
        secret.write_bytes(b"x")
        secret.chmod(0)
        with pytest.raises(InvalidAttachment, match="permission denied"):
            mail().attach_file(secret)


class _BytesPath:
    def __fspath__(self) -> bytes:
        """Return octets."""
        return b"/tmp"


class Slow(io.RawIOBase):
    """A raw file that gives a little at a time."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        """Return at most 7000 octets."""
        return self._data.read(min(size, 7000) if size >= 0 else 7000)


@pytest.mark.parametrize("size", [100, 1 << 20, (1 << 20) + 1, 3 << 20])
@pytest.mark.parametrize("kind", [io.BytesIO, Slow])
def test_file_objects_are_read_once(size: int, kind: Any) -> None:
    """A binary file is read where it is given; above 1 MiB it is spooled; a copy by pickle is whole."""
    data = os.urandom(size)
    attachment = Attachment("a.bin", kind(data))
    assert attachment.content == data
    assert attachment.size == size
    assert attachment == Attachment("a.bin", data)
    assert pickle.loads(pickle.dumps(attachment)).content == data


@forks
def test_forked_processes_read_a_spool_at_the_same_time() -> None:
    """They share the position of its file, and each gets the octets that were given."""
    data = os.urandom(3 << 20)
    attachment = Attachment("a.bin", io.BytesIO(data))

    def read() -> None:
        assert all(attachment.content == data for _ in range(40))

    def read_beside_another() -> None:
        other = os.fork()
        if not other:
            os._exit(any(attachment.content != data for _ in range(40)))
        read()
        assert os.waitstatus_to_exitcode(os.waitpid(other, 0)[1]) == 0

    in_a_child(read_beside_another)


def test_files_of_text_and_other_things_are_refused() -> None:
    """A file opened as text, one that reads nonsense, and numbers are no content."""
    with pytest.raises(InvalidAttachment, match="binary mode"):
        Attachment("a.txt", io.StringIO("x"))  # type: ignore[arg-type]
    for content in (5, None, object(), ["x"]):
        with pytest.raises(InvalidAttachment, match=r"^content"):
            Attachment("a.txt", content)  # type: ignore[arg-type]

    class Odd:
        def read(self, size: int) -> int:
            return 5

    with pytest.raises(InvalidAttachment, match="not bytes"):
        Attachment("a.txt", Odd())  # type: ignore[arg-type]


def test_an_upload_of_an_asyncio_framework_says_how_to_read_it() -> None:
    """A file whose `read` is a coroutine is refused with the words for it; the coroutine leaves no warning."""

    class Upload:
        filename = "a.txt"

        async def read(self, size: int = -1) -> bytes:
            return b"x"

    with pytest.raises(InvalidAttachment, match=r"await file\.read\(\)"):
        Attachment("a.txt", Upload())  # type: ignore[arg-type]
    with pytest.raises(InvalidAttachment, match=r"attachments\[0\].*comes with a name"):
        Message("s", "t", attachments=[Upload()])  # type: ignore[list-item]
    gc.collect()


@pytest.mark.parametrize("attachments", ["/etc/passwd", b"x", io.BytesIO(b"x"), 5])
def test_one_attachment_is_no_list_of_them(attachments: Any) -> None:
    """Text, bytes and files can be iterated over, but their characters and lines are no attachments."""
    with pytest.raises(InvalidAttachment, match=r"^attachments: .*must be a list"):
        Message("s", "t", attachments=attachments)


@pytest.mark.parametrize(
    "content",
    [
        b"Subject: x\n\nLF line ends",
        b"Subject: \xff\r\n\r\n",
        b"Subject: x\r\n\r\n" + b"y" * 999,
        b"Subject: x\r\n\r\n\0",
    ],
)
def test_a_mail_that_cannot_travel_unchanged_is_not_message_rfc822(content: bytes) -> None:
    """Such a file is octets when its name says mail, and an error when the type was asked for."""
    assert Attachment("m.eml", content).media_type == "application/octet-stream"
    with pytest.raises(InvalidAttachment, match="message/rfc822 cannot carry unchanged"):
        Attachment("m.eml", content, "message/rfc822")
    good = Attachment("m.eml", b"Subject: x\r\n\r\nbody\r\n")
    assert good.media_type == "message/rfc822"
    assert b"\r\n\r\nSubject: x\r\n\r\nbody\r\n" in mail(attachments=[good]).as_bytes()


@pytest.mark.parametrize(
    "kind", ["message/delivery-status", "message/disposition-notification", "message/feedback-report"]
)
def test_a_report_for_machines_is_not_encoded(kind: str) -> None:
    """RFC 3464 2.1 and its kin: 7bit, with CRLF; what 7bit cannot carry goes in base64 as any file does."""
    report = (
        "Reporting-MTA: dns; mx.example.com\n\nFinal-Recipient: rfc822; zoe@example.com\nAction: failed\n"
    )
    octets = mail(attachments=[("report", report.encode(), kind)]).as_bytes()
    head, _, body = octets.partition(f"Content-Type: {kind}".encode())[2].partition(b"\r\n\r\n")
    assert b"Content-Transfer-Encoding: 7bit" in head
    assert body.startswith(report.replace("\n", "\r\n").encode())
    other = mail(attachments=[("report", report.encode() + b"\xff", kind)]).as_bytes()
    assert b"Content-Transfer-Encoding: base64" in other


def test_an_attachment_is_a_value(tmp_path: Path) -> None:
    """Frozen, equal by what it holds, hashable; a rendered one is equal to one that was not."""
    one, other = Attachment("a.txt", "x"), Attachment("a.txt", "x")
    mail(attachments=[one]).as_bytes()
    assert one == other
    assert len({one, other}) == 1
    assert one != Attachment("a.txt", "y")
    assert one != Attachment("b.txt", "x")
    assert one != "a.txt"
    assert repr(one) == "<Attachment 'a.txt' (text/plain)>"
    with pytest.raises(AttributeError, match="frozen"):
        one.filename = "b.txt"  # type: ignore[misc]
    path = tmp_path / "a.txt"
    path.write_bytes(b"x")
    lazy = Attachment.from_path(path)
    assert lazy == pickle.loads(pickle.dumps(lazy))
    assert lazy != one
    assert str(path) in repr(lazy)
    assert Attachment(None, PNG, "image/png", disposition="inline", content_id="<a@b>").content_id == "a@b"


def test_a_media_type_is_a_value() -> None:
    """Media types compare by what they say, whatever the case of their names, and survive a pickle."""
    one = MediaType('Text/Calendar ; Method=REQUEST; charset="utf-8"')
    assert one == MediaType("text/calendar; method=REQUEST; charset=utf-8")
    assert hash(one) == hash(MediaType("text/calendar; method=REQUEST; charset=utf-8"))
    assert pickle.loads(pickle.dumps(one)) == one
    assert one != "text/calendar"
    assert repr(one) == "MediaType('text/calendar; method=REQUEST; charset=utf-8')"
    assert str(MediaType('a/b; n="x \\"y\\""')) == 'a/b; n="x \\"y\\""'
    assert MediaType("a/b;;n=1 ;").get("n") == "1"
