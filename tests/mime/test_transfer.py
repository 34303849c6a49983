"""Bodies on the wire: the cheapest safe encoding, CRLF, nothing that a server may change."""

from __future__ import annotations

import base64
import binascii
import io
import quopri
import random
from typing import TYPE_CHECKING, Any

import pytest
from budget import in_both_runs
from hypothesis import example, given
from hypothesis import strategies as st
from mail import alike, body, second, standard, wire
from samples import mail

if TYPE_CHECKING:
    from pathlib import Path

BODIES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=400) | st.lists(
    st.sampled_from(
        ["\n", "\r", "\r\n", ".", " ", "\t", "=", "é", "日", "😀", "x" * 80, "x" * 999, "From ", "--", "\x0b", "\x85"]
    ),
    max_size=60,
).map("".join)  # fmt: skip


def encoding(octets: bytes) -> str:
    """Return the Content-Transfer-Encoding of a mail."""
    return str(standard(octets)["Content-Transfer-Encoding"])


@in_both_runs
@given(BODIES, st.sampled_from(["auto", "base64", "quoted-printable", "8bit"]))
@example(" \n\t\n ", "auto")
@example("x" * 999, "8bit")
@example("x" * 998, "auto")
@example("é" * 499, "8bit")
@example(".\n..\n.", "auto")
@example("", "base64")
def test_a_body_is_read_back(run: str, text: str, body_encoding: Any) -> None:
    """Any text comes back from both parsers, newlines made alike, in every encoding; no line is over 998."""
    message = mail(text=text, body_encoding=body_encoding)
    octets = wire(message)
    part = standard(octets)
    assert alike(
        part.get_payload(decode=True).decode() if body_encoding != "8bit" else decoded(octets)
    ) == alike(text)
    if body_encoding != "8bit":
        assert octets.isascii()
        (found,) = second(octets).text_plain
        assert alike(found) == alike(text).removeprefix("\ufeff")
    assert message.parcel().content.is_8bit == (encoding(octets) == "8bit")


def decoded(octets: bytes) -> str:
    """Return the text of a mail in any encoding."""
    coded = encoding(octets)
    raw = body(octets)
    if coded == "base64":
        return binascii.a2b_base64(raw).decode()
    return (quopri.decodestring(raw) if coded == "quoted-printable" else raw).decode()


@in_both_runs
@given(BODIES)
def test_both_bodies_of_an_alternative_are_read_back(run: str, text: str) -> None:
    """Within a multipart a body comes back with exactly the newlines at its end that it had."""
    octets = wire(mail(text=text, html=text))
    for part in standard(octets).iter_parts():
        assert part.get_payload(decode=True).decode().replace("\r\n", "\n") == text.replace(
            "\r\n", "\n"
        ).replace("\r", "\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain\n", "7bit"),
        ("x" * 998 + "\n", "7bit"),
        ("x" * 999 + "\n", "quoted-printable"),
        ("blank at the end \nx", "quoted-printable"),
        ("tab at the end\t", "quoted-printable"),
        ("Grüße aus Köln, und viel Text dazu.\n", "quoted-printable"),
        ("日本語のテキスト\n", "base64"),
        ("\n", "7bit"),
        ("", "7bit"),
    ],
)
def test_auto_chooses_the_cheapest_safe_encoding(text: str, expected: str) -> None:
    """7bit when it fits, else quoted-printable or base64 by size; never 8bit."""
    assert encoding(wire(mail(text=text))) == expected


def test_what_is_asked_for_is_done() -> None:
    """body_encoding holds for text, html and alternatives; 8bit falls back where a line is too long."""
    for asked in ("base64", "quoted-printable"):
        message = mail(html="<p>x", body_encoding=asked).alternative("x", "text/csv")
        assert [str(part["Content-Transfer-Encoding"]) for part in standard(wire(message)).iter_parts()] == [
            asked
        ] * 3
    assert encoding(mail(text="é\n", body_encoding="8bit").as_bytes()) == "8bit"
    assert encoding(mail(text="é" * 600, body_encoding="8bit").as_bytes()) == "base64"
    assert encoding(mail(text="plain\n", body_encoding="8bit").as_bytes()) == "7bit"


@in_both_runs
@given(BODIES)
def test_quoted_printable_keeps_its_rules(run: str, text: str) -> None:
    """Lines have at most 76 characters, none ends with a bare blank, and no octet is beyond ASCII."""
    raw = body(wire(mail(text=text, body_encoding="quoted-printable")))
    for line in raw.split(b"\r\n"):
        assert len(line) <= 76
        assert line[-1:] not in (b" ", b"\t")
    assert raw.isascii()


def _lines(content: bytes) -> bytes:
    """Return what the standard library makes of octets, its lines ended by CRLF, the last one by none."""
    return base64.encodebytes(content).replace(b"\n", b"\r\n").removesuffix(b"\r\n")


@pytest.mark.parametrize("block", [57 * 16, 57 * 1024, 2 * 57 * 1024])
@pytest.mark.parametrize("more", [-57, -56, -1, 0, 1, 57, 58, 57 * 16, 57 * 16 + 1])
def test_base64_lines_have_76_characters(block: int, more: int) -> None:
    """Base64 is cut at 76 characters, whatever the size, and no line is empty."""
    content = random.Random(more).randbytes(block + more)
    octets = mail(text=None).attach("a.bin", content).as_bytes()
    assert body(octets) == _lines(content) + b"\r\n"


@pytest.mark.parametrize("size", [0, 1, 2, 3, 56, 57, 58, 114])
def test_base64_of_few_octets(size: int) -> None:
    """So it is for a line, for less and for a little more."""
    content = random.Random(size).randbytes(size)
    assert body(mail(text=None).attach("a.bin", content).as_bytes()) == _lines(content) + b"\r\n"


@pytest.mark.parametrize("more", [-58, -57, -1, 0, 1, 57, 58, 57 * 16])
def test_base64_is_the_same_wherever_it_comes_from(more: int, tmp_path: Path) -> None:
    """Streamed from a file or a spool, and in blocks from memory: the lines are those of the standard library."""
    size = 57 * 1024 * 74 + more  # above 4 MiB, which is kept in blocks
    content = random.Random(more).randbytes(size)
    path = tmp_path / "large.bin"
    path.write_bytes(content)
    expected = _lines(content) + b"\r\n"
    for message in (
        mail(text=None).attach("a.bin", content),
        mail(text=None).attach("a.bin", io.BytesIO(content)),
        mail(text=None).attach_file(path),
    ):
        parcel = message.parcel()
        octets = bytes(parcel.content)
        assert body(octets) == expected
        assert len(octets) == parcel.content.size


def test_dots_are_doubled_for_data_only() -> None:
    """A line that begins with a dot keeps it on the page, and has two where DATA carries it (RFC 5321 4.5.2)."""
    message = mail(text=".one\n..two\n.\nend\n", html=".<p>\n." + "x" * 20000 + "\n.")
    content = message.parcel().content
    plain, stuffed = b"".join(content.chunks()), b"".join(content.stuffed_chunks())
    assert b"\r\n.one\r\n..two\r\n.\r\nend" in plain
    assert stuffed == plain.replace(b"\r\n.", b"\r\n..")
    assert content.size == len(plain)


def test_text_that_is_used_again_is_encoded_once() -> None:
    """The same str in two messages, and in a copy, is one encoded body: the same object."""
    html = "<p>Grüße</p>\n" * 3000
    pieces = [
        [piece for piece in message.parcel().content.pieces if len(piece.data) > 16384]
        for message in (mail(html=html), mail(html=html), mail(html=html).copy(to=["other@example.com"]))
    ]
    assert pieces[0][0].data is pieces[1][0].data is pieces[2][0].data
