"""Message: what it is made of, how it is changed, copied, compared and kept, and what it refuses."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
from collections import UserString
from email.headerregistry import Address as StandardAddress
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any

import pytest
from mail import second, standard, wire
from samples import PNG, full, mail

from modernmail import DSN, Address, Attachment, Envelope, Message
from modernmail.errors import (
    InvalidAddress,
    InvalidAttachment,
    InvalidHeader,
    InvalidMessage,
    InvalidValue,
    PayloadRejected,
)

if TYPE_CHECKING:
    from pathlib import Path


def shape(octets: bytes) -> Any:
    """Return which multipart nests in which, as nested lists of media types."""

    def of(part: Any) -> Any:
        kind = part.get_content_type()
        return (
            [kind, *map(of, part.iter_parts())] if part.is_multipart() and kind != "message/rfc822" else kind
        )

    return of(standard(octets))


# -- structure


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda m: m, "text/plain"),
        (lambda m: m.copy(text=None, html="<p>x"), "text/html"),
        (lambda m: m.copy(html="<p>x"), ["multipart/alternative", "text/plain", "text/html"]),
        (lambda m: m.attach("a.pdf", b"x"), ["multipart/mixed", "text/plain", "application/pdf"]),
        (lambda m: m.copy(text=None).attach("a.pdf", b"x"), "application/pdf"),
        (
            lambda m: m.copy(text=None).attach("a.pdf", b"x").attach("b.zip", b"y"),
            ["multipart/mixed", "application/pdf", "application/zip"],
        ),
        (
            lambda m: m.copy(text=None, html="<img src=cid:logo>").embed("logo", PNG),
            ["multipart/related", "text/html", "image/png"],
        ),
        (
            lambda m: m.copy(html="<img src=cid:logo>").embed("logo", PNG).attach("a.pdf", b"x"),
            [
                "multipart/mixed",
                ["multipart/related", ["multipart/alternative", "text/plain", "text/html"], "image/png"],
                "application/pdf",
            ],
        ),
        (
            lambda m: (
                m.copy(html="<p>x")
                .alternative("BEGIN:VCALENDAR", "text/calendar; method=REQUEST")
                .alternative("<html amp4email>", "text/x-amp-html")
            ),
            ["multipart/alternative", "text/plain", "text/x-amp-html", "text/html", "text/calendar"],
        ),
        (lambda m: m.copy(text=None).alternative(b"{}", "application/json"), "application/json"),
        (
            lambda m: m.copy(text=None).alternative(b"{}", "application/json").embed("logo", PNG),
            ["multipart/related", "application/json", "image/png"],
        ),
        (lambda m: m.copy(text=None), "text/plain"),
        (lambda m: m.copy(text=None).embed("logo", PNG), "image/png"),
    ],
)
def test_the_structure_is_the_smallest_that_holds_the_parts(build: Any, expected: Any) -> None:
    """Each multipart stands only when it is needed, parts go from plain to rich, nothing is invented."""
    octets = wire(build(mail()), "Content-Disposition", "Content-ID")
    assert shape(octets) == expected


def test_related_says_the_type_of_its_root() -> None:
    """multipart/related carries type=, as RFC 2387 requires."""
    for message, root in (
        (mail(html="<p>x").embed("logo", PNG), "multipart/alternative"),
        (mail(text=None, html="<p>x").embed("logo", PNG), "text/html"),
        (mail(text=None).alternative(b"{}", "application/json").embed("logo", PNG), "application/json"),
    ):
        assert standard(wire(message))["Content-Type"].params["type"] == root


def test_no_boundary_begins_another() -> None:
    """A reader that compares the beginnings of boundary lines alone finds the same parts (RFC 2046 5.1.1)."""
    message = mail(html="<p>x").embed("logo", PNG).attach("a.pdf", b"x")
    boundaries = [part.get_boundary() for part in standard(wire(message)).walk() if part.is_multipart()]
    assert len(boundaries) == 3
    for one in boundaries:
        assert [other for other in boundaries if other.startswith(one)] == [one]


def test_alternatives_keep_their_parameters_and_charset() -> None:
    """A charset that is given is honoured, UTF-8 stands otherwise, other parameters are kept."""
    message = (
        mail()
        .alternative("Grüße", "text/calendar; method=REQUEST")
        .alternative("Grüße", "text/csv; charset=latin-1")
        .alternative("Grüße".encode(), "text/vcard")
        .alternative(b"\xff", "text/x-own")
    )
    calendar, table, card, own = list(standard(wire(message)).iter_parts())[1:]
    assert dict(calendar["Content-Type"].params) == {"method": "REQUEST", "charset": "utf-8"}
    assert calendar.get_content().rstrip("\n") == "Grüße"
    assert (table.get_content_charset(), table.get_payload(decode=True)) == (
        "latin-1",
        "Grüße".encode("latin-1"),
    )
    assert (card.get_content_charset(), card.get_content()) == ("utf-8", "Grüße")
    assert (own["Content-Type"], own.get_payload(decode=True)) == ("text/x-own", b"\xff")


# -- header


def test_the_header_has_what_a_mail_needs_and_no_more() -> None:
    """From, To, Subject, Date, Message-ID and the MIME fields, in this order; Bcc nowhere."""
    message = mail(bcc=["secret@example.com"])
    octets = wire(message)
    names = [name for name, _ in standard(octets).items()]
    assert names == [
        *("From", "To", "Subject", "Date", "Message-ID"),
        *("MIME-Version", "Content-Type", "Content-Transfer-Encoding"),
    ]  # fmt: skip
    assert b"secret" not in octets
    assert message.recipients == ("to@example.com", "secret@example.com")


def test_a_mail_to_nobody_named() -> None:
    """With neither To nor Cc, To says so without an address; with Cc alone, nothing is said."""
    octets = wire(mail(to=(), bcc=["secret@example.com"]))
    assert b"\r\nTo: undisclosed-recipients:;\r\n" in octets
    assert standard(octets)["To"].addresses == ()
    assert standard(wire(mail(to=(), cc=["cc@example.com"]), "Cc"))["To"] is None


def test_date_and_message_id_are_the_authors_when_given() -> None:
    """Date and Message-ID are welcome as headers, and then stand once."""
    message = mail(headers={"Date": "Thu, 05 Nov 2026 09:07:03 +0000", "message-id": "<42@example.com>"})
    parsed = standard(wire(message))
    assert parsed.get_all("Date") == ["Thu, 05 Nov 2026 09:07:03 +0000"]
    assert parsed.get_all("Message-ID") == ["<42@example.com>"]
    assert message.parcel().message_id == "<42@example.com>"


@pytest.mark.parametrize(
    ("from_email", "domain"),
    [
        ("me@example.org", "example.org"),
        ("me@bücher.example", "xn--bcher-kva.example"),
        ("root", "localhost.invalid"),
        ("me@[192.0.2.1]", "[192.0.2.1]"),
    ],
)
def test_the_message_id_has_the_senders_domain(from_email: str, domain: str) -> None:
    """The right side of the Message-ID is the From domain as A-label, never this host's name."""
    message_id = mail(from_email=from_email).parcel().message_id
    assert message_id.endswith(f"@{domain}>")
    assert message_id != mail(from_email=from_email).parcel().message_id


def test_several_authors_need_a_sender() -> None:
    """Two From addresses are refused without sender=; with it, bounces go to the sender."""
    message = mail(from_email=["a@example.com", "b@example.com"])
    with pytest.raises(InvalidMessage, match="need sender="):
        message.parcel()
    message.sender = "desk@example.com"
    assert message.parcel().envelope.return_path == "desk@example.com"
    assert standard(wire(message, "Sender"))["From"] == "a@example.com, b@example.com"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, "me@example.org"),
        ({"sender": "desk@example.org"}, "desk@example.org"),
        ({"return_path": "bounces@example.org", "sender": "desk@example.org"}, "bounces@example.org"),
        ({"return_path": ""}, ""),
        ({"return_path": "<>"}, ""),
        ({"return_path": Address("b@example.org")}, "b@example.org"),
    ],
)
def test_where_bounces_go(arguments: dict[str, Any], expected: str) -> None:
    """The reverse-path is return_path, else the sender, else the author."""
    assert mail(**arguments).parcel().envelope.return_path == expected


def test_smtputf8_is_asked_for_only_when_an_address_needs_it() -> None:
    """A local part beyond ASCII needs SMTPUTF8 and is written in UTF-8; a domain alone becomes A-labels."""
    plain = mail(to=["Zoë <zoe@bücher.example>"])
    assert not plain.needs_smtputf8
    assert b"<zoe@xn--bcher-kva.example>" in wire(plain)
    other = mail(to=["我買@屋企.香港"])
    assert other.needs_smtputf8
    assert other.parcel().needs_smtputf8
    assert "我買@屋企.香港".encode() in other.as_bytes()
    assert mail(sender="é@example.com").needs_smtputf8


def test_no_line_of_utf8_is_over_998_octets() -> None:
    """RFC 5322 2.1.1 counts octets, not characters; an address cannot be folded, so it is refused."""
    domain = ".".join(["\U00020000" * 50] * 4)
    with pytest.raises(InvalidHeader, match="more than 998 octets"):
        mail(to=["é" * 127 + "@" + domain]).as_bytes()
    assert mail(to=["zoe@" + domain]).as_bytes().isascii()


def test_a_bcc_beyond_ascii_changes_the_envelope_alone() -> None:
    """No header names it: its mail stays ASCII, and goes without SMTPUTF8 once a layer has sent it elsewhere."""
    message = mail(to=["zoe@bücher.example"], bcc=["é@example.com"])
    parcel = message.parcel()
    assert message.needs_smtputf8
    assert parcel.needs_smtputf8
    assert parcel.content.is_utf8 is False
    assert b"zoe@xn--bcher-kva.example" in bytes(parcel.content)
    assert not parcel.replace(envelope=Envelope("me@example.com", ["all@example.com"])).needs_smtputf8


# -- building


def test_a_builder_method_changes_the_message_and_returns_it() -> None:
    """Chained or not, the same message is built."""
    chained = mail().attach("a.txt", "x").header("X-A", "1").embed("logo", PNG).alternative("x", "text/csv")
    stepwise = mail()
    stepwise.attach("a.txt", "x")
    stepwise.header("X-A", "1")
    stepwise.embed("logo", PNG)
    stepwise.alternative("x", "text/csv")
    assert chained == stepwise
    assert [one.media_type for one in chained.attachments] == ["text/plain; charset=utf-8", "image/png"]


def test_every_argument_can_be_set_and_read() -> None:
    """What the constructor takes is a property that can be read and set; setting is checked alike."""
    message = Message()
    message.subject = "New"
    message.text, message.html = "t", "<p>"
    message.from_email = "A <a@example.com>"
    message.to, message.cc, message.bcc = "b@example.com", ["c@example.com"], [Address("d@example.com")]
    message.reply_to = StandardAddress("E", "e", "example.com")
    message.sender = "f@example.com"
    message.return_path = "g@example.com"
    message.headers = {"X-A": "1"}
    assert (message.subject, message.text, message.html) == ("New", "t", "<p>")
    assert str(message.from_email) == "A <a@example.com>"
    assert message.recipients == ("b@example.com", "c@example.com", "d@example.com")
    assert (str(message.reply_to[0]), str(message.sender), message.return_path) == (
        "E <e@example.com>",
        "f@example.com",
        "g@example.com",
    )
    assert list(message.headers) == [("X-A", "1")]
    message.from_email, message.sender, message.return_path = None, None, None
    assert (message.from_email, message.sender, message.return_path) == (None, None, None)
    message.from_email = ["a@example.com", "b@example.com"]
    assert isinstance(message.from_email, tuple)
    for name in ("from_email", "to", "cc", "bcc", "reply_to", "sender", "return_path"):
        with pytest.raises(InvalidAddress, match=rf"^{name}"):
            setattr(message, name, "not an address")


def test_what_changes_a_part_shows_in_the_next_rendering() -> None:
    """A message rendered before is rendered anew when any part changes."""
    message = mail()
    before = message.as_bytes()
    message.text = "other\n"
    assert b"other" in message.as_bytes()
    message.html = "<p>rich"
    assert b"rich" in message.as_bytes()
    message.attach("note.txt", "x")
    assert b"note.txt" in message.as_bytes()
    assert b"note.txt" not in before


def test_a_snapshot_does_not_change_with_its_message() -> None:
    """A parcel says what the message said when it was made; twice the same octets, the same Message-ID."""
    message = mail().attach("a.txt", "old")
    parcel = message.parcel()
    octets = bytes(parcel.content)
    message.subject, message.text = "new", "new"
    message.attach("b.txt", "new")
    assert bytes(parcel.content) == octets
    assert parcel.message_id.encode() in octets


def test_lazy_text_is_text() -> None:
    """A stand-in for a string is asked once, everywhere text is taken."""
    message = mail(
        subject=UserString("lazy subject"), text=UserString("lazy body\n"), to=[UserString("x@example.com")]
    )
    message.attach(UserString("f.txt"), UserString("lazy content"), UserString("text/plain"))
    message.alternative(UserString("lazy,csv"), "text/csv")
    octets = wire(message)
    assert b"lazy subject" in octets
    assert b"lazy body" in octets
    assert message.recipients == ("x@example.com",)
    assert message.attachments[0].content == b"lazy content"


# -- copies and comparison


def test_a_copy_is_independent_and_shares_what_is_the_same() -> None:
    """A change to a copy leaves the original as it was; attachments are the same objects."""
    original = mail(headers={"X-A": "1"}).attach("a.txt", "x")
    other = original.copy(subject="other", to=["new@example.com"], headers={"X-B": "2"})
    other.attach("b.txt", "y").header("X-C", "3")
    assert (original.subject, original.recipients, list(original.headers)) == (
        "s",
        ("to@example.com",),
        [("X-A", "1")],
    )
    assert len(original.attachments) == 1
    assert other.attachments[0] is original.attachments[0]
    assert original.copy() == original


def test_a_copy_takes_every_argument() -> None:
    """Each argument of Message can be changed in a copy; an unknown one is named."""
    changed = mail().copy(
        subject="1", text="2", html="3", from_email="a@example.com", to="b@example.com", cc="c@example.com",
        bcc="d@example.com", reply_to="e@example.com", sender="f@example.com", return_path="", headers={"X-A": "1"},
        attachments=[("a.txt", "x")], alternatives=[("x", "text/csv")], body_encoding="base64",
    )  # fmt: skip
    assert changed == Message(
        "1", "2", "3", from_email="a@example.com", to="b@example.com", cc="c@example.com", bcc="d@example.com",
        reply_to="e@example.com", sender="f@example.com", return_path="", headers={"X-A": "1"},
        attachments=[("a.txt", "x")], alternatives=[("x", "text/csv")], body_encoding="base64",
    )  # fmt: skip
    assert b"base64" in changed.as_bytes()
    with pytest.raises(InvalidMessage, match=r"copy: 'body': is not an argument of Message"):
        mail().copy(body="x")


def test_equality_is_about_what_is_said() -> None:
    """Messages are equal when they say the same to the same people; other things are not messages."""
    assert mail() == mail()
    assert mail() != mail(subject="other")
    assert mail() != mail(headers={"X-A": "1"})
    assert mail().attach("a.txt", "x") != mail()
    assert mail().alternative("x", "text/csv") != mail()
    assert mail() != "s"
    assert mail().dsn(notify="failure") != mail()
    assert mail().require_tls() != mail()
    one = mail().attach("a.txt", "x").embed("logo", PNG)
    assert one == mail().embed("logo", PNG).attach("a.txt", "x")


def test_a_message_survives_pickle_and_deepcopy(tmp_path: Any) -> None:
    """A message that was rendered, with all that it can hold, is equal after a pickle."""
    path = tmp_path / "f.txt"
    path.write_bytes(b"file")
    message = full().attach_file(path)
    message.as_bytes()
    assert pickle.loads(pickle.dumps(message)) == message
    assert copy.deepcopy(message) == message
    with pytest.raises(TypeError):
        hash(message)


def test_repr_names_subject_and_recipients() -> None:
    """repr is for people: what it is about and who gets it."""
    assert repr(mail(bcc=["b@example.com"])) == "<Message 's' to to@example.com, b@example.com>"
    assert repr(Message("x")) == "<Message 'x' to nobody>"


# -- JSON


def test_to_dict_survives_json() -> None:
    """Everything a message says comes back from JSON; its own keys are the arguments of Message."""
    message = full()
    data = json.loads(json.dumps(message.to_dict()))
    assert data["version"] == 1
    assert data["to"] == ["Zoë <zoe@example.com>"]
    assert Message.from_dict(data) == message
    assert Message.from_dict(json.loads(json.dumps(Message().to_dict()))) == Message()
    null = mail(return_path="")
    assert Message.from_dict(null.to_dict()).return_path == ""


def test_from_dict_refuses_a_newer_version() -> None:
    """A message of a version that this release does not know is refused, and says which it reads."""
    for version in (2, None, "1"):
        with pytest.raises(PayloadRejected, match="this release reads version 1"):
            Message.from_dict({**mail().to_dict(), "version": version})
    with pytest.raises(PayloadRejected):
        Message.from_dict(["no mapping"])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "argument"),
    [
        ({"to": ["a@"]}, "to"),
        ({"subject": "a\nBcc: b"}, "subject"),
        ({"headers": [["Bcc", "x@example.com"]]}, "headers"),
        ({"subjekt": "x"}, "subjekt"),
        (
            {"attachments": [{"filename": "x", "media_type": "a/b", "content": "no base64!"}]},
            "attachments[0].content",
        ),
        ({"attachments": [{"filename": "x"}]}, "attachments"),
        ({"attachments": "x"}, "attachments"),
        ({"attachments": ["x"]}, "attachments"),
        (
            {"attachments": [{"filename": "x\r\n", "media_type": "a/b", "content": ""}]},
            "attachments[0].filename",
        ),
        ({"alternatives": [{"text": "x", "media_type": "text"}]}, "media_type"),
        ({"dsn": {"notify": ["always"]}}, "dsn.notify"),
        ({"dsn": {"unknown": 1}}, "dsn.unknown"),
        ({"body_encoding": "binary"}, "body_encoding"),
        ({"original": "?"}, "original"),
        (
            {
                "attachments": [
                    {
                        "head": "Content-Type: multipart/mixed\ud800",
                        "content": "",
                        "media_type": "a/b",
                        "filename": "x",
                    }
                ]
            },
            "attachments[0].media_type",
        ),
    ],
)
def test_from_dict_checks_like_the_constructor(change: dict[str, Any], argument: str) -> None:
    """A queue is no friend: what comes from it passes the checks of every argument, and the error names it."""
    with pytest.raises(InvalidValue) as caught:
        Message.from_dict({**mail().to_dict(), **change})
    assert caught.value.argument.startswith(argument)


# -- bad input

CONTROLS = ["\r", "\n", "\r\n", "\0", "\x0b", "\x0c", "\x1b", "\x7f", "\x85", "\u2028", "\u2029", "\ud800"]


class Sly(str):
    """A string that claims to be harmless."""

    __slots__ = ()

    def isprintable(self) -> bool:
        """Lie."""
        return True

    def isascii(self) -> bool:
        """Lie."""
        return True

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return hash("inline")

    def __str__(self) -> str:
        return "harmless"


@pytest.mark.parametrize("kind", [str, UserString, Sly])
@pytest.mark.parametrize("control", CONTROLS)
def test_no_argument_takes_a_control_character(control: str, kind: Any) -> None:
    """Line ends, NUL, other controls and lone surrogates are refused in every argument that a header will hold."""
    evil = kind(f"a{control}Bcc: evil@example.net")
    refused: list[tuple[str, Any]] = [
        ("subject", lambda: mail(subject=evil)),
        ("to", lambda: mail(to=[evil])),
        ("cc", lambda: mail(cc=evil)),
        ("bcc", lambda: mail(bcc=[evil])),
        ("reply_to", lambda: mail(reply_to=evil)),
        ("from_email", lambda: mail(from_email=evil)),
        ("sender", lambda: mail(sender=evil)),
        ("return_path", lambda: mail(return_path=evil)),
        ("return_path", lambda: Envelope(evil, "to@example.com")),
        ("recipients", lambda: Envelope("", [evil])),
        ("headers", lambda: mail(headers={"X-A": evil})),
        ("headers", lambda: mail(headers={evil: "x"})),
        ("headers", lambda: mail().header("X-A", evil)),
        ("filename", lambda: mail().attach(evil, b"x")),
        ("media_type", lambda: mail().attach("a", b"x", evil)),
        (
            "media_type",
            lambda: mail().attach(
                "a", b"x", kind(f'a/b; name="{evil.data if kind is UserString else str.__str__(evil)}"')
            ),
        ),
        ("media_type", lambda: mail().alternative("x", evil)),
        ("content_id", lambda: mail().embed(evil, PNG, "image/png")),
        ("disposition", lambda: Attachment("a", b"x", disposition=evil)),
        ("name", lambda: mail(to=[Address(name=evil, addr_spec="a@example.com")])),
    ]
    for argument, call in refused:
        with pytest.raises(InvalidValue) as caught:
            call()
        assert caught.value.argument.split("[")[0] in (argument, "address"), caught.value
        assert str.__str__(caught.value.value if kind is Sly else str(caught.value.value)).find(control) >= 0
        assert "position 1" in caught.value.reason or argument == "disposition", caught.value


@pytest.mark.parametrize("value", [b"bytes", 42, None, ["list"], object()])
def test_what_is_no_text_is_refused(value: Any) -> None:
    """bytes, numbers and other objects are no text: nothing is converted by guess."""
    with pytest.raises(InvalidHeader, match=r"^subject"):
        mail(subject=value)
    if value is not None:
        for name in ("text", "html"):
            with pytest.raises(InvalidMessage, match=rf"^{name}"):
                mail(**{name: value})
        with pytest.raises(InvalidAttachment, match=r"^filename"):
            mail().attach(value, b"x")
    with pytest.raises(InvalidValue):
        mail(headers={"X-A": value})
    with pytest.raises(InvalidValue):
        mail().alternative("x", value)


@pytest.mark.parametrize("body", ["a\0b", "a\ud800b"])
@pytest.mark.parametrize("argument", ["text", "html"])
def test_a_body_that_no_mail_can_carry_is_refused_with_its_position(body: str, argument: str) -> None:
    """NUL and lone surrogates in a body are named with their position; nothing is rendered."""
    message = mail(**{argument: body})
    with pytest.raises(InvalidMessage, match=rf"^{argument}: .*at position 1"):
        message.as_bytes()
    with pytest.raises(InvalidMessage, match=r"^alternatives: .*at position 1"):
        mail().alternative(body, "text/csv").as_bytes()


@pytest.mark.parametrize(
    "name",
    [
        *("Bcc", "bcc", "BCC", "Resent-Bcc", "rEsEnT-bCc", "Content-Type", "content-type", "MIME-Version"),
        *("Content-Transfer-Encoding", "Content-Disposition", "Content-ID", "From", "To", "Cc", "Subject"),
        *("Reply-To", "Sender", "Return-Path", "Received", "", "X Y", "X:Y", "Ünïcode", "X\tY", "X\n"),
    ],
)
def test_headers_that_are_not_the_authors_to_write(name: str) -> None:
    """Blind copies, MIME fields, trace fields and fields with an argument of their own are refused as headers."""
    with pytest.raises(InvalidHeader, match=r"^headers"):
        mail(headers={name: "x"})
    with pytest.raises(InvalidHeader, match=r"^headers"):
        mail().header(name, "x")


def test_two_of_a_header_that_may_stand_once() -> None:
    """A second References is refused in a list of headers, and replaces the first when set."""
    with pytest.raises(InvalidHeader, match="stands once"):
        mail(headers=[("References", "<1@example.com>"), ("REFERENCES", "<2@example.com>")])
    message = mail().header("References", "<1@example.com>").header("references", "<2@example.com>")
    assert standard(wire(message, "References")).get_all("References") == ["<2@example.com>"]


@pytest.mark.parametrize(
    "value",
    [
        "text", "text/", "/plain", "text/pl ain", "text/plain/x", "text/plain; x", "text/plain; =x", "text/plain; a=b c",
        'text/plain; a="b', "text/plain; boundary=x", "text/plain; a=1; a=2", "multipart/mixed", "te\u00e9t/plain",
        "a/" + "b" * 128, "text/plain; " + "n" * 50 + "=x",
    ],
)  # fmt: skip
def test_a_media_type_is_type_and_subtype(value: str) -> None:
    """What is no type/subtype with right parameters is refused where a part is given its type."""
    with pytest.raises(InvalidAttachment, match=r"^media_type"):
        mail().attach("a", b"x", value)
    with pytest.raises(InvalidValue, match=r"^media_type"):
        mail().alternative("x", value)


def test_an_embedded_part_has_a_content_id_of_its_own() -> None:
    """The same content-id twice is refused, however the parts are given; so is one that no field can hold."""
    with pytest.raises(InvalidAttachment, match="is taken"):
        mail().embed("logo", PNG).embed("<logo>", PNG)
    part = Attachment("a.png", PNG, disposition="inline", content_id="logo")
    with pytest.raises(InvalidAttachment, match="is taken"):
        mail(attachments=[part, part])
    for cid in ("", "a b", "a>b", "a<b", 'a"b', "é", "a,b", "(a)", "x" * 901):
        with pytest.raises(InvalidAttachment, match=r"^content_id"):
            mail().embed(cid, PNG)
    with pytest.raises(InvalidAttachment, match="cannot be guessed"):
        mail().embed("logo", b"???")


def test_attachments_may_be_paths(tmp_path: Path) -> None:
    """A `pathlib.Path` is the file; one that is missing is an error that names its place in the list."""
    (tmp_path / "report.csv").write_bytes(b"a,b\n")
    (part,) = standard(mail(attachments=[tmp_path / "report.csv"]).as_bytes()).iter_attachments()
    found = (part.get_filename(), part.get_content_type(), part.get_payload(decode=True))
    assert found == ("report.csv", "text/csv", b"a,b\n")
    with pytest.raises(InvalidAttachment, match=r"^attachments\[1\]: .*No such file"):
        mail(attachments=[("a.txt", "x"), tmp_path / "missing.csv"])
    with pytest.raises(InvalidAttachment, match=r"^attachments\[0\]: 'report\.csv': .*pathlib\.Path"):
        mail(attachments=["report.csv"])


def test_wrong_containers_are_named() -> None:
    """An attachment that is no attachment, a part that is none, an encoding that is none: each error names it."""
    for item in ("a.txt", ("a.txt",), 5, ["a.txt", b"x"]):
        with pytest.raises(InvalidAttachment, match=r"^attachments\[0\]"):
            mail(attachments=[item])
    standard_mail = EmailMessage()
    standard_mail["Subject"] = "x"
    for items in (5, Attachment("a.txt", b"x"), standard_mail, {"a.txt": b"x"}):
        with pytest.raises(InvalidAttachment, match=r"^attachments: .*must be a list"):
            mail(attachments=items)
    with pytest.raises(InvalidMessage, match=r"^alternatives: .*must be a list"):
        mail(alternatives=5)
    for item in ("x", ("x",), 5):
        with pytest.raises(InvalidMessage, match=r"^alternatives\[0\]: .*must be a tuple"):
            mail(alternatives=[item])
    with pytest.raises(
        InvalidMessage, match=r"^message: 'x': must be an email.message.EmailMessage, not str"
    ):
        Message.from_email_message("x")  # type: ignore[arg-type]
    with pytest.raises(InvalidAttachment, match=r"^content"):
        mail().attach("a.txt", 5)  # type: ignore[arg-type]
    with pytest.raises(InvalidMessage, match=r"^content"):
        mail().alternative(5, "text/csv")  # type: ignore[arg-type]
    for kind in ("multipart/mixed", "message/rfc822"):
        with pytest.raises(InvalidMessage, match=r"^media_type"):
            mail().alternative("x", kind)
    with pytest.raises(InvalidMessage, match=r"^body_encoding"):
        mail(body_encoding="binary")


def test_the_errors_of_python_name_the_class_that_people_know() -> None:
    """An argument that is missing, and a coroutine that nobody awaits, are of `Message`, wherever the method is written."""
    with pytest.raises(
        TypeError, match=r"Message\.attach\(\) missing 1 required positional argument: 'content'"
    ):
        mail().attach("report.pdf")  # type: ignore[call-arg]
    with pytest.warns(RuntimeWarning, match=r"coroutine 'Message\.asend' was never awaited"):
        mail().asend()  # type: ignore[unused-coroutine]


def test_nobody_to_send_to_and_nobody_who_sends() -> None:
    """A mail to nobody cannot be sent, though it can be looked at; one from nobody cannot be written."""
    message = mail(to=())
    assert b"undisclosed-recipients" in message.as_bytes()
    with pytest.raises(InvalidMessage, match="nobody to send to"):
        message.parcel()
    with pytest.raises(InvalidMessage, match="there is no sender"):
        mail(from_email=None).as_bytes()
    with pytest.raises(InvalidMessage, match="sender= names only who sends in the place of the author"):
        mail(from_email=None, sender="me@example.com").as_bytes()


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("subject", "=?utf-8?q?=0ABcc:x?="),
        ("subject", "=?utf-8?b?QmNjOiB4?= and more =?x?q?y?="),
        ("to", ['"evil@attacker.example, x" <to@example.com>']),
        ("to", ['"=?utf-8?q?=0ABcc:x?=" <to@example.com>']),
        ("headers", {"X-A": "=?utf-8?q?a=0D=0ABcc:x?="}),
    ],
)
def test_what_merely_looks_dangerous_arrives_literally(argument: str, value: Any) -> None:
    """Text that looks like an encoded-word, and names that hold commas and addresses, are text."""
    octets = wire(mail(**{argument: value}), "X-A")
    parsed = standard(octets)
    if argument == "subject":
        assert parsed["Subject"] == value
        assert second(octets).subject == value
    elif argument == "to":
        (address,) = parsed["To"].addresses
        assert (address.addr_spec, address.display_name) == ("to@example.com", Address(value[0]).name)
    else:
        assert parsed["X-A"] == value["X-A"]
    assert parsed["Bcc"] is None


def test_a_comment_cannot_smuggle_a_field() -> None:
    """An address whose folding would begin a line with a field name is refused: no CR or LF filter stops it."""
    with pytest.raises(InvalidAddress, match=r"comments are refused|parentheses"):
        mail(to=[f"a@(Bcc:evil@example.net,{'y' * 80})example.com"])


# -- imports and settings


def test_composing_imports_no_heavy_module() -> None:
    """Importing modernmail and composing a mail brings in none of the modules that cost time at start."""
    program = (
        "import sys, modernmail\n"
        "modernmail.Message('s', 't', from_email='a@example.com', to='b@example.com').as_bytes()\n"
        "heavy = {'asyncio', 'ssl', 'sqlite3', 'smtplib', 'aiosmtplib', 'email', 'typing', 're', 'enum', 'dataclasses',"
        " 'inspect', 'logging', 'threading', 'tempfile', 'html', 'json', 'datetime', 'mimetypes', 'pathlib', 'socket'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{program}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "[]"


def test_dsn_wishes_go_into_the_envelope() -> None:
    """What is wished for about delivery reports travels in the envelope, not in the header."""
    message = mail().dsn(notify=["failure", "delay"], ret="full", envid="42").require_tls()
    envelope = message.parcel().envelope
    assert envelope.dsn == DSN(notify=["failure", "delay"], ret="full", envid="42")
    assert envelope.require_tls
