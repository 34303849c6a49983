"""Parcels: what travels is frozen, comparable, and crosses processes."""

from __future__ import annotations

import json
import pickle
from typing import TYPE_CHECKING

import pytest

from modernmail import Envelope, Message, Parcel
from modernmail.content import Content, Octets, dot_stuffed
from modernmail.errors import InvalidAddress, PayloadRejected

if TYPE_CHECKING:
    from pathlib import Path


def parcel(**changes: object) -> Parcel:
    """Return a parcel with a Bcc."""
    arguments: dict[str, object] = {
        "from_email": "me@example.com",
        "to": "zoe@example.com",
        "bcc": "bcc@example.com",
    }
    return Message("Grüße", "Hello\n.dot\n", **(arguments | changes)).parcel()  # type: ignore[arg-type]


def test_a_snapshot_does_not_change() -> None:
    """The message goes on changing, the parcel does not; another snapshot is another mail."""
    message = Message("x", "first", from_email="me@example.com", to="zoe@example.com")
    before = message.parcel()
    octets = bytes(before.content)
    message.text, message.subject = "second", "y"
    message.attach("a.txt", "a")
    assert bytes(before.content) == octets
    assert message.parcel().message_id != before.message_id
    with pytest.raises(AttributeError, match="frozen"):
        before.message_id = "<x>"


def test_a_small_file_may_change_after_the_snapshot(tmp_path: Path) -> None:
    """A path up to 1 MiB is in the parcel: what becomes of the file afterwards does not matter."""
    path = tmp_path / "a.bin"
    path.write_bytes(b"first")
    before = Message("x", from_email="me@example.com", to="zoe@example.com").attach_file(path).parcel()
    path.write_bytes(b"other")
    assert b"Zmlyc3Q=" in bytes(before.content)


def test_it_survives_json_and_pickle() -> None:
    """`to_dict`, JSON, `from_dict`: the same octets, envelope and Message-ID."""
    for one in (parcel(), parcel(body_encoding="8bit"), parcel(to="zoë@example.com")):
        again = Parcel.from_dict(json.loads(json.dumps(one.to_dict())))
        assert again == one
        assert bytes(again.content) == bytes(one.content)
        assert (again.message_id, again.envelope) == (one.message_id, one.envelope)
        assert (again.content.is_8bit, again.content.is_utf8) == (one.content.is_8bit, one.content.is_utf8)
        assert again.needs_smtputf8 == one.needs_smtputf8
        assert pickle.loads(pickle.dumps(one)) == one
        assert hash(again) == hash(one)
    assert parcel() != parcel()
    assert parcel() != "parcel"


def test_another_version_is_refused() -> None:
    """A parcel of a newer release is not guessed at."""
    with pytest.raises(PayloadRejected, match="version 2"):
        Parcel.from_dict(parcel().to_dict() | {"version": 2})


@pytest.mark.parametrize(
    "change",
    [{"content": "no base64!"}, {"content": None}, {"envelope": None}, {"envelope": {"recipients": []}}],
)
def test_what_is_no_parcel_is_refused(change: dict[str, object]) -> None:
    """What a queue gives back may be anything: the error says that it is no parcel."""
    with pytest.raises(PayloadRejected, match="this is no parcel: "):
        Parcel.from_dict(parcel().to_dict() | change)
    with pytest.raises(PayloadRejected, match="version None"):
        Parcel.from_dict([])  # type: ignore[arg-type]
    with pytest.raises(InvalidAddress, match=r"recipients\[0\]: 'a@'"):
        Parcel.from_dict(parcel().to_dict() | {"envelope": {"return_path": "", "recipients": ["a@"]}})


def test_narrowed_and_replaced() -> None:
    """The same mail for fewer recipients, by another envelope, with other content."""
    one = parcel()
    narrowed = one.narrowed(["bcc@example.com"])
    assert narrowed.envelope.recipients == ("bcc@example.com",)
    assert narrowed.content is one.content
    other = one.replace(envelope=Envelope("", ["x@example.com"]))
    assert (other.envelope.recipients, other.message_id) == (("x@example.com",), one.message_id)
    assert bytes(one.replace(content=Content.of(b"a: b\r\n\r\n")).content) == b"a: b\r\n\r\n"


def test_it_can_be_shown() -> None:
    """The repr names the mail, its size and the number of recipients, and none of them."""
    one = parcel()
    assert repr(one) == f"<Parcel {one.message_id}: {one.content.size} octets to 2>"
    assert repr(one.content) == f"<Content of {one.content.size} octets>"
    assert one.content.size == len(bytes(one.content))
    assert one.content.head.endswith(b"\r\n\r\n")


def test_dots_are_doubled_at_the_start_of_lines() -> None:
    """RFC 5321 4.5.2, whatever piece the dot is in."""
    message = Message("x", ".a\n..b\nc.\n", from_email="me@example.com", to="zoe@example.com")
    content = message.parcel().content
    assert b"".join(content.stuffed_chunks()).endswith(b"\r\n\r\n..a\r\n...b\r\nc.\r\n")
    assert dot_stuffed(b"no dots\r\n") == b"no dots\r\n"


@pytest.mark.parametrize("size", [10, 100_000])
@pytest.mark.parametrize("field", [b".X: 1\r\n", b"X: 1\r\n.Y: 2\r\n"])
def test_a_field_whose_name_begins_with_a_dot_is_stuffed(field: bytes, size: int) -> None:
    """RFC 5321 4.5.2 is about every line; a server that takes the dot away would give the field another name."""
    first = Octets(b"Subject: x\r\n\r\n" + b"x" * size + b"\r\n", is_dotless=True)
    content = Content((first,)).with_field(field)
    assert b"".join(content.stuffed_chunks()) == dot_stuffed(bytes(content))
