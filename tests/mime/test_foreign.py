"""Mail that somebody else wrote: what can be expressed becomes fields, the rest goes out as it came, and safe."""

from __future__ import annotations

import email
import email.policy
import json
import pickle

import dkim
import pytest
from budget import in_both_runs
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mail import assert_safe, body, standard

from modernmail import Address, Envelope, Mailer, Message
from modernmail.errors import InvalidMessage
from modernmail.layers.dkim.keys import SigningKey, new_key
from modernmail.mime.mailboxlist import MailboxList

SIGNED = b"""From: Zoe <zoe@example.com>
To: you@example.com
Subject: signed
Content-Type: multipart/signed; boundary="b1"; micalg=pgp-sha256;
 protocol="application/pgp-signature"

Not for those who read this.

--b1
Content-Type: text/plain; charset=utf-8

signed text, two blanks at the end\x20\x20

--b1
Content-Type: application/pgp-signature; name="signature.asc"

-----BEGIN PGP SIGNATURE-----
=abcd
-----END PGP SIGNATURE-----
--b1--
Behind the end.
""".replace(b"\n", b"\r\n")

NESTED = b"""From: a@example.com
To: b@example.com
Content-Type: multipart/alternative; boundary=x

--x
Content-Type: text/plain

plain
--x
Content-Type: multipart/related; boundary=y

--y
Content-Type: text/html

<img src=cid:i>
--y
Content-Type: image/png
Content-ID: <i>
Content-Transfer-Encoding: base64
Content-Disposition: inline; filename=i.png

iVBORw0KGgo=
--y--
--x--
""".replace(b"\n", b"\r\n")


# -- what is carried verbatim


@pytest.mark.parametrize("octets", [SIGNED, NESTED, SIGNED.replace(b"signed; ", b"encrypted; ", 1)])
def test_a_structure_that_message_cannot_express_is_carried_verbatim(octets: bytes) -> None:
    """The body goes out octet by octet as it came, from bytes; from an object with the same parts."""
    message = Message.from_bytes(octets)
    assert message.verbatim is not None
    assert body(message.as_bytes()) == body(octets)
    assert_safe(message.as_bytes())
    again = Message.from_email_message(email.message_from_bytes(octets, policy=email.policy.default))
    assert again.verbatim == message.verbatim
    for other in (standard(again.as_bytes()), message.as_email_message()):
        theirs = [part.get_payload() for part in other.walk() if not part.is_multipart()]
        assert [lines(one) for one in theirs] == [
            lines(part.get_payload()) for part in standard(octets).walk() if not part.is_multipart()
        ]


def lines(text: str) -> str:
    """Return text with one kind of line end and one at its end."""
    return text.replace("\r\n", "\n").rstrip("\n")


def test_a_verbatim_body_can_be_read_and_not_changed() -> None:
    """Text, html and attachments are what a reader finds; a change to them is refused, one to the header is not."""
    message = Message.from_bytes(NESTED)
    assert (message.text, message.html) == ("plain", "<img src=cid:i>")
    assert [(one.filename, one.disposition, one.content_id) for one in message.attachments] == [
        ("i.png", "inline", "i")
    ]
    for change in (
        lambda: setattr(message, "text", "new"),
        lambda: setattr(message, "html", None),
        lambda: message.attach("a.txt", "x"),
        lambda: message.alternative("x", "text/csv"),
        lambda: message.copy(body_encoding="base64"),
    ):
        with pytest.raises(InvalidMessage, match="carried as it was written"):
            change()
    message.subject, message.to = "new", ["new@example.com"]
    assert (message.recipients, body(message.as_bytes())) == (("new@example.com",), body(NESTED))


@pytest.mark.parametrize("octets", [SIGNED, NESTED])
def test_it_survives_copy_pickle_and_json(octets: bytes) -> None:
    """A verbatim message, changed in its header, is the same after a copy, a pickle and JSON."""
    message = Message.from_bytes(b"Bcc: secret@example.com\r\n" + octets)
    message.subject = "changed"
    message.return_path = "bounces@example.com"
    for other in (
        message.copy(),
        pickle.loads(pickle.dumps(message)),
        Message.from_dict(json.loads(json.dumps(message.to_dict()))),
    ):
        assert other == message
        assert other.verbatim == message.verbatim
        assert body(other.as_bytes()) == body(octets)
        assert b"Subject: changed\r\n" in other.as_bytes()
        assert other.recipients == message.recipients
        assert other.return_path == "bounces@example.com"
    assert message != Message.from_bytes(octets)
    assert Message.from_bytes(octets) != Message.from_bytes(
        octets.replace(b"plain", b"other").replace(b"=abcd", b"=efgh")
    )


def test_a_body_that_is_not_changed_goes_out_as_it_came() -> None:
    """A body that Message can express keeps its octets too, so a DKIM signature over it holds, until it is changed."""
    octets = (
        b"From: a@example.com\r\nTo: b@example.com\r\nContent-Type: multipart/mixed; boundary=xyz\r\n\r\npreamble\r\n"
        b"--xyz\r\nContent-Type: text/plain\r\n\r\ntext\r\n--xyz\r\nContent-Type: application/pdf\r\n"
        b"Content-Disposition: attachment; filename=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERg==\r\n--xyz--\r\n"
    )
    message = Message.from_bytes(octets)
    assert message.verbatim is None
    assert body(message.as_bytes()) == body(octets)
    message.text = "new"
    assert b"xyz" not in message.as_bytes()
    assert [part.filename for part in message.attachments] == ["a.pdf"]


# -- the header


def test_fields_go_out_as_they_stood() -> None:
    """Trace fields, folds and order are kept; what is set anew is laid out by us in its place."""
    octets = (
        b"Return-Path: <bounce@example.com>\r\nReceived: from a\r\n\tby b; Thu, 5 Nov 2026 09:07:03 +0000\r\n"
        b"DKIM-Signature: v=1; a=rsa-sha256;\r\n  b=abc\r\n  def\r\nReceived: from b by c\r\nsubject:   Two\r\n words\r\n"
        b"X-Mailer: x\r\nFrom: a@example.com (Ann)\r\nTo: Friends: b@example.com, c@example.com;\r\n"
        b"Date: Thu, 5 Nov 2026 09:07:03 EST\r\nMessage-ID: <1@example.com>\r\n\r\ntext\r\n"
    )
    message = Message.from_bytes(octets)
    head = message.as_bytes().partition(b"MIME-Version")[0]
    assert head == octets.partition(b"\r\n\r\n")[0] + b"\r\n"
    assert (message.subject, str(message.from_email)) == ("Two words", "Ann <a@example.com>")
    assert message.recipients == ("b@example.com", "c@example.com")
    assert message.parcel().message_id == "<1@example.com>"
    message.to = ["new@example.com"]
    message.header("X-Mailer", "y").header("X-New", "z")
    changed = message.as_bytes().partition(b"MIME-Version")[0]
    assert (
        changed
        == head.replace(b"Friends: b@example.com, c@example.com;", b"new@example.com").replace(
            b"X-Mailer: x\r\n", b""
        )
        + b"X-Mailer: y\r\nX-New: z\r\n"
    )
    message.headers = {}
    message.from_email, message.subject = None, ""
    assert b"X-Mailer" not in message.copy(from_email="n@example.com").as_bytes()
    assert b"Received: from b by c" in message.copy(from_email="n@example.com").as_bytes()


def test_new_resent_fields_stand_in_front() -> None:
    """Together, and before an older set and the trace of the first delivery (RFC 5322 3.6.6); the rest is as it was."""
    octets = (
        b"Resent-From: b@example.com\r\nReceived: from a by b\r\nFrom: a@example.com\r\nTo: b@example.com\r\n"
        b"Date: Thu, 5 Nov 2026 09:07:03 +0000\r\nMessage-ID: <1@example.com>\r\nMIME-Version: 1.0\r\n\r\ntext\r\n"
    )
    message = Message.from_bytes(octets)
    for name, value in (
        ("Resent-From", "c@example.com"),
        ("X-New", "z"),
        ("Resent-To", "d@example.com"),
        ("Resent-Date", "Fri, 06 Nov 2026 09:07:03 +0000"),
    ):
        message.headers.add(name, value)
    front = b"Resent-From: c@example.com\r\nResent-To: d@example.com\r\nResent-Date: Fri, 06 Nov 2026 09:07:03 +0000\r\n"
    assert message.as_bytes() == front + octets.replace(b"MIME", b"X-New: z\r\nMIME")
    assert Message.from_bytes(message.as_bytes()).as_bytes() == message.as_bytes()


@pytest.mark.parametrize("name", [b"Bcc", b"bcc", b"BCC", b"Resent-Bcc", b"rESENT-bCC"])
def test_blind_copies_move_to_the_envelope(name: bytes) -> None:
    """Bcc and Resent-Bcc, in any letter case, become recipients and never a header field."""
    octets = (
        b"From: a@example.com\r\n"
        + name
        + b": One <one@example.com>,\r\n two@example.com\r\nTo: b@example.com\r\n\r\nx"
    )
    for message in (Message.from_bytes(octets), Message.from_email_message(email.message_from_bytes(octets))):
        assert [one.addr_spec for one in message.bcc] == ["one@example.com", "two@example.com"]
        assert message.recipients == ("b@example.com", "one@example.com", "two@example.com")
        assert b"one@example.com" not in message.as_bytes()
        assert b"two@example.com" not in bytes(message.as_email_message())


@pytest.mark.parametrize(
    ("field", "argument"),
    [
        (b"To: a..b@docomo.ne.jp", "to"),
        (b"To: alice@example.org <bob@example.org>", "to"),
        (b"Cc: a@b@c", "cc"),
        (b'To: "open <a@example.com>', "to"),
        (b"To: Friends: a@example.com", "to"),
        (b"Bcc: a@", "bcc"),
        (b"To: \xe9@example.com", "to"),
    ],
)
def test_recipients_that_cannot_be_read_are_never_guessed(field: bytes, argument: str) -> None:
    """Such a field goes out as it came, and a sending asks for an envelope instead of leaving somebody out."""
    message = Message.from_bytes(b"From: a@example.com\r\n" + field + b"\r\n\r\nx\r\n")
    assert_safe(message.as_bytes())
    if argument != "bcc" and field.isascii():
        assert field + b"\r\n" in message.as_bytes()
    for other in (
        message,
        message.copy(),
        Message.from_dict(message.to_dict()),
        pickle.loads(pickle.dumps(message)),
    ):
        with pytest.raises(InvalidMessage, match=rf"^{argument}: .*cannot be read"):
            other.parcel()
    with Mailer("memory:") as mailer:
        assert mailer.send(message, envelope=Envelope("me@example.com", ["you@example.com"])).accepted == (
            "you@example.com",
        )
    setattr(message, argument, ["right@example.com"])
    assert message.parcel().envelope.recipients == ("right@example.com",)


def test_an_author_that_cannot_be_read_needs_a_return_path() -> None:
    """A From that cannot be read goes out as it came; the envelope needs a reverse-path then."""
    message = Message.from_bytes(b"From: a..b@docomo.ne.jp\r\nTo: b@example.com\r\n\r\nx\r\n")
    with pytest.raises(InvalidMessage, match="return_path="):
        message.parcel()
    message.return_path = "bounces@example.com"
    parcel = message.parcel()
    assert b"From: a..b@docomo.ne.jp\r\n" in bytes(parcel.content)
    assert parcel.message_id.endswith("@localhost.invalid>")


def test_of_a_field_that_stands_once_the_first_counts() -> None:
    """A second Subject, Date or Content-Type is left out; two To fields are one list of recipients."""
    message = Message.from_bytes(
        b"From: a@example.com\nSubject: one\nSubject: two\nTo: b@example.com\nTo: c@example.com\n"
        b"Date: bad\nDate: worse\nContent-Type: text/plain\nContent-Type: text/html\n\nx\n"
    )
    octets = message.as_bytes()
    assert (message.subject, message.recipients, message.html) == (
        "one",
        ("b@example.com", "c@example.com"),
        None,
    )
    assert b"two" not in octets
    assert b"worse" not in octets
    assert octets.count(b"Content-Type") == 1
    assert octets.count(b"\r\nTo: ") == 2


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"X-A: one\rBcc: two", b"X-A: one Bcc: two\r\n"),
        (b"X-A: nul\0here", b"X-A: nul here\r\n"),
        (b"X-A: caf\xc3\xa9", b"X-A: =?utf-8?b?Y2Fmw6k=?=\r\n"),
        (b"X-A: caf\xe9", b"X-A: =?utf-8?b?Y2Fmw6k=?=\r\n"),
        (b"X-A: a\n \n b", b"X-A: a  b\r\n"),
        (b"X-A: " + b"word " * 300, None),
        (b"X-A: " + b"w" * 2000, None),
        (b"X-A: =?utf-8?q?x=0D=0ABcc:a=40b.c?=", b"X-A: =?utf-8?q?x=0D=0ABcc:a=40b.c?=\r\n"),
        (b"References: <" + b"r" * 1200 + b"@example.com>", None),
        (b"Subject: =?utf-8?q?x=0D=0ABcc:a=40b.c?=", b"Subject: =?utf-8?q?x=0D=0ABcc:a=40b.c?=\r\n"),
        (b".X: dot", b".X: dot\r\n"),
    ],
)
def test_fields_that_no_server_would_take_are_laid_out_anew(raw: bytes, expected: bytes | None) -> None:
    """Bare CR, NUL, 8-bit octets, lines of blanks and lines over 998 do not leave; encoded-words stay encoded."""
    message = Message.from_bytes(b"From: a@example.com\nTo: b@example.com\n" + raw + b"\n\ntext\n")
    octets = message.as_bytes()
    assert_safe(octets)
    assert octets.isascii()
    if expected is not None:
        assert expected in octets
    assert "\n" not in message.subject
    assert_safe(bytes(message.as_email_message()))
    stuffed = b"".join(message.parcel().content.stuffed_chunks())
    assert (b"\r\n.X" in octets) == (b"\r\n..X" in stuffed)


def test_raw_utf8_in_addresses() -> None:
    """UTF-8 that stands raw in a name is encoded; in a local part it makes a mail that needs SMTPUTF8."""
    message = Message.from_bytes("From: Zoë <zoe@example.com>\nTo: Zoë <zoë@bücher.example>\n\nx\n".encode())
    assert message.needs_smtputf8
    octets = message.as_bytes()
    assert b"From: =?utf-8?q?Zo=C3=AB?= <zoe@example.com>\r\n" in octets
    assert "<zoë@bücher.example>".encode() in octets
    message = Message.from_bytes(
        "From: a@example.com\nResent-To: Zoë <zoë@example.com>\nTo: b@example.com\n\nx\n".encode()
    )
    assert not message.needs_smtputf8
    assert message.as_bytes().isascii()
    assert Message.from_bytes("From: Zoë <zoe@bücher.example>\n\n".encode()).as_bytes().isascii()


def test_other_structured_fields_are_read() -> None:
    """Addresses in Resent-To, message-ids and list fields become headers, and change no more than asked."""
    message = Message.from_bytes(
        b"From: a@example.com\nResent-To: =?utf-8?q?Zo=C3=AB?= <zoe@example.com>\nReferences: <1@x>\n\t<2@x>\n"
        b"List-Unsubscribe: <https://example.com/u>\nResent-From: a..b@c.d\nIn-Reply-To: no id\n\nx\n"
    )
    assert list(message.headers) == [
        ("Resent-To", "Zoë <zoe@example.com>"),
        ("References", "<1@x> <2@x>"),
        ("List-Unsubscribe", "<https://example.com/u>"),
    ]
    octets = message.as_bytes()
    assert b"Resent-From: a..b@c.d\r\nIn-Reply-To: no id\r\n" in octets
    message.header("In-Reply-To", "<1@x>")
    assert message.as_bytes().count(b"In-Reply-To") == 1


# -- bodies that no server would take


@pytest.mark.parametrize(
    "part",
    [
        b"Content-Type: application/x-a\n\nlong" + b"x" * 2000,
        b"Content-Type: application/x-a\n\nnul\0",
        b"Content-Type: application/x-a\nContent-Transfer-Encoding: binary\n\na\rb\nc\r\n\xff",
        b"Content-Type: text/plain; format=flowed\n\n\xff" + b"y" * 1000,
        b"Content-Type: message/rfc822\n\nSubject: "
        + b"s" * 1200
        + b"\nBcc: secret@example.com\n\n"
        + b"x" * 1200,
        b"Content-Type: message/rfc822\n\nContent-Type: multipart/mixed; boundary=z\n\n--z\n\nn\0\n--z--",
        b"Content-Type: multipart/digest; boundary=q\n\nnothing " + b"x" * 1000,
        b"Content-Type: image/png\nX-" + b"n" * 1000 + b": v\nX-B: \0\n\nx",
    ],
)
def test_parts_that_cannot_travel_are_encoded_anew(part: bytes) -> None:
    """NUL, long lines and binary parts get base64; the other parts and all names stay as they were."""
    octets = (
        b"From: a@example.com\nTo: b@example.com\nContent-Type: multipart/mixed; boundary=b\n\n--b\n"
        b"Content-Type: text/plain\nX-Keep: me\n\ntext\n--b\n" + part + b"\n--b--\n"
    )
    message = Message.from_bytes(octets)
    assert_safe(message.as_bytes())
    assert_safe(bytes(message.as_email_message()))
    first, second = standard(message.as_bytes()).iter_parts()
    assert (first["X-Keep"], first.get_payload().rstrip()) == ("me", "text")
    original = list(email.message_from_bytes(octets).walk())[-1]
    found = list(second.walk())[-1]
    if not second.get_content_type().startswith("message/"):
        assert found.get_payload(decode=True).rstrip() == original.get_payload(decode=True).rstrip()
    assert b"secret" not in message.as_bytes()


def test_eight_bit_bodies_say_so() -> None:
    """A body in 8 bits goes out as it came and the parcel says that it needs 8BITMIME; an object's is encoded anew."""
    nested = NESTED.replace(b"plain\r\n--x", b"gr\xc3\xbc\xc3\x9fe\r\n--x").replace(
        b"text/plain", b"text/plain; charset=utf-8"
    )
    parcel = Message.from_bytes(nested).parcel()
    assert parcel.content.is_8bit
    assert not parcel.content.is_utf8
    simple = b"From: a@example.com\nTo: b@example.com\nContent-Type: text/plain; charset=utf-8\n\ngr\xc3\xbc\xc3\x9fe\n"
    message = Message.from_bytes(simple)
    assert (message.text, message.verbatim, message.parcel().content.is_8bit) == ("grüße\n", None, True)
    assert body(message.as_bytes()) == "grüße\r\n".encode()
    for other in (message.copy(body_encoding="quoted-printable"), message.copy(text="Grüße\n")):
        assert not other.parcel().content.is_8bit
        assert other.as_bytes().isascii()
    standard_one = email.message_from_bytes(simple, policy=email.policy.default)
    assert not Message.from_email_message(standard_one).parcel().content.is_8bit
    assert Message.from_email_message(email.message_from_bytes(nested)).parcel().content.is_8bit


_SENT = (
    b"From: Zoe <zoe@example.com>\r\nTo: you@example.com\r\nSubject: hello\r\n"
    b"Date: Thu, 05 Nov 2026 09:07:03 +0000\r\nMessage-ID: <1@example.com>\r\n"
)
_MIME = b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
_PDF = (
    b"--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename=a.pdf\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\nJVBERg==\r\n--b--\r\n"
)
_AS_SENT = {
    "plain": _SENT + _MIME + b"\r\nhi\r\n",
    "8bit": _SENT + _MIME + b"\r\ngr\xc3\xbc\xc3\x9fe\r\n",
    "latin-1": _SENT + _MIME.replace(b"utf-8", b"iso-8859-1") + b"\r\ngr\xfc\xdfe\r\n",
    "8bit with a file": _SENT
    + b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
    + _MIME
    + b"\r\ngr\xc3\xbc\xc3\x9fe\r\n"
    + _PDF,
    "8bit, flowed": _SENT
    + _MIME.replace(b"utf-8", b"utf-8; format=flowed")
    + b"\r\ngr\xc3\xbc\xc3\x9fe \r\n\r\n",
    "a comment on the version": _SENT
    + _MIME.replace(b"MIME-Version: 1.0", b"Mime-Version: 1.0 (Mac OS X Mail)")
    + b"\r\nhi",
    "no MIME": _SENT + b"\r\nhi\r\n",
    "no recipients": _SENT.replace(b"To: you@example.com\r\n", b"") + _MIME + b"\r\nhi\r\n",
    "two blanks": _SENT.replace(b"Subject: ", b"Subject:  ") + _MIME + b"\r\nhi\r\n",
    "no blank": _SENT.replace(b"Subject: ", b"Subject:") + _MIME + b"\r\nhi\r\n",
    "a blank at the end": _SENT.replace(b"hello", b"hello ") + _MIME + b"\r\nhi\r\n",
    "an empty line first": _SENT.replace(b"Subject: hello", b"Subject:\r\n hello") + _MIME + b"\r\nhi\r\n",
    "no subject": _SENT.replace(b"Subject: hello", b"Subject:") + _MIME + b"\r\nhi\r\n",
    "empty lines at the end": _SENT + _MIME.replace(b"; charset", b";\r\n\tcharset") + b"\r\nhi\r\n\r\n\r\n",
}
_SIGNED = (
    *(
        "from",
        "from",
        "to",
        "to",
        "cc",
        "subject",
        "subject",
        "date",
        "message-id",
        "mime-version",
        "content-type",
    ),
    "content-transfer-encoding",
)


@pytest.fixture(scope="module")
def pem() -> bytes:
    """A key to sign by, as PEM."""
    return new_key()


@pytest.mark.once
@pytest.mark.parametrize("header", [b"relaxed", b"simple"])
@pytest.mark.parametrize("kind", _AS_SENT)
def test_a_signature_of_others_holds(kind: str, header: bytes, pem: bytes) -> None:
    """What is not changed is sent on octet by octet, so that a DKIM signature holds; after a copy, a pickle and JSON too."""
    octets = _AS_SENT[kind]
    whole = octets if octets.endswith(b"\r\n") else octets + b"\r\n"
    names = [
        name.encode("ascii") for name in _SIGNED if name != "mime-version" or b"-version:" in octets.lower()
    ]
    signature = dkim.sign(
        whole, b"s", b"example.com", pem, canonicalize=(header, b"simple"), include_headers=names
    )
    record = SigningKey(pem).record.encode("ascii")
    message = Message.from_bytes(signature + octets)
    for other in (
        message,
        message.copy(bcc=["hidden@example.com"]),
        pickle.loads(pickle.dumps(message)),
        Message.from_dict(json.loads(json.dumps(message.to_dict()))),
    ):
        assert dkim.verify(other.as_bytes(), dnsfunc=lambda *_, **__: record)


@pytest.mark.parametrize(
    "change",
    [
        (b"text/plain\n", b"text/plain; format=flowed\n"),
        (b"text/plain\n", b"text/plain\nX-Own: field\n"),
        (b"text/plain\n", b"text/plain; charset=no-such\n"),
        (b"text/plain\n", b"text/plain; charset=utf-8\n\n\xff\n"),
        (b"attachment; filename=a.pdf", b"attachment; filename=a.pdf; size=4"),
        (b"attachment; filename=a.pdf", b"form-data; filename=a.pdf"),
        (b"attachment; filename=a.pdf", b'attachment; filename="../a.pdf"'),
        (b"Content-Disposition: attachment; filename=a.pdf\n", b""),
        (b"Content-Transfer-Encoding: base64", b"Content-Transfer-Encoding: uuencode"),
        (b"application/pdf", b"text/csv; charset=utf-16"),
        (b"application/pdf", b"pdf"),
        (b"multipart/mixed", b"multipart/report"),
        (b"\n--b--", b"\n"),
        (b"text/plain\n", b"multipart/mixed; boundary=q\n"),
    ],
)
def test_what_would_be_lost_makes_a_body_verbatim(change: tuple[bytes, bytes]) -> None:
    """A parameter, field, disposition, charset or structure that Message has no word for keeps the body as it came."""
    octets = (
        b"From: a@example.com\nTo: b@example.com\nContent-Type: multipart/mixed; boundary=b\n\n--b\n"
        b"Content-Type: text/plain\n\ntext\n--b\nContent-Type: application/pdf\n"
        b"Content-Disposition: attachment; filename=a.pdf\nContent-Transfer-Encoding: base64\n\nJVBERg==\n--b--\n"
    )
    assert Message.from_bytes(octets).verbatim is None
    assert change[0] in octets
    message = Message.from_bytes(octets.replace(*change))
    if change[1] == b"text/csv; charset=utf-16":
        assert message.verbatim is None
        return
    assert message.verbatim
    assert_safe(message.as_bytes())
    assert b"Content-Type" in message.as_bytes()


def test_other_shapes_that_message_can_express() -> None:
    """A leaf of any kind, attachments alone, an inline disposition on a text: these are fields."""
    for octets, text, files in (
        (b"From: a@b.c\n\nplain\n", "plain\n", []),
        (b"From: a@b.c\nContent-Type: text/plain\nContent-Disposition: inline\n\nmutt\n", "mutt\n", []),
        (b"From: a@b.c\nContent-Type: text/csv; charset=utf-8\n\na,b\n", None, []),
        (
            b"From: a@b.c\nContent-Type: application/pdf\nContent-Disposition: attachment; filename*=utf-8''%C3%BC.pdf\n"
            b"Content-Transfer-Encoding: base64\n\nJVBERg==\n",
            None,
            [("ü.pdf", b"%PDF")],
        ),
        (  # a narrow blank, as macOS writes it into the names of its screenshots
            b"From: a@b.c\nContent-Type: image/png; name*=utf-8''10.00%E2%80%AFAM.png\n"
            b"Content-Disposition: attachment; filename*=utf-8''10.00%E2%80%AFAM.png\n\nPNG\n",
            None,
            [("10.00\u202fAM.png", b"PNG\n")],
        ),
        (
            b"From: a@b.c\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n"
            b"Content-Disposition: attachment; filename=m.eml\n\nSubject: x\r\n\r\ninner\r\n\n--b\n"
            b"Content-Type: image/png\nContent-Disposition: attachment; filename=a.png\n\nx\n--b--\n",
            None,
            None,
        ),
    ):
        message = Message.from_bytes(octets)
        assert message.verbatim is None or files is None, message.verbatim
        assert message.text == text
        if files is not None:
            assert [(one.filename, one.content) for one in message.attachments] == files


def test_what_is_no_mail_at_all() -> None:
    """Nothing, noise and an mbox's separator are read as far as they go; what is no octets is refused."""
    assert Message.from_bytes(b"").text == ""
    assert Message.from_bytes(b"From me Mon Nov 23\nSubject: x\n\ny").subject == "x"
    assert Message.from_bytes(bytearray(b"no header here")).text == "no header here"
    with pytest.raises(InvalidMessage, match=r"^data"):
        Message.from_bytes("text")  # type: ignore[arg-type]


# -- nasty mail by the thousand

PIECES = st.sampled_from(
    [
        *(
            b"\0",
            b"\r",
            b"\n",
            b"\r\n",
            b"\r\n\r\n",
            b" ",
            b"\t",
            b"x" * 1100,
            b"\xff",
            b"\xc3\xa9",
            b"\xe2\x80\xa8",
            b"--b",
        ),
        *(
            b"--b--",
            b"\n--b\n",
            b"Bcc: evil@example.net\r\n",
            b"bcC:evil@example.net\n",
            b"To: a@b.c, (x\n",
            b":",
            b";",
            b'"',
        ),
        *(
            b"Content-Type: multipart/mixed; boundary=b\r\n",
            b"Content-Type: message/rfc822\n",
            b"charset=utf-7",
            b"=",
        ),
        *(
            b"Content-Transfer-Encoding: binary\r\n",
            b"Content-Transfer-Encoding: base64\n",
            b"=?utf-8?q?=0D=0ABcc:x?=",
            b"<a@b>",
        ),
        *(
            b"Subject: ",
            b"From: a@example.com\r\n",
            b"Content-Disposition: attachment; filename=\xe9\r\n",
            b"(",
            b"\x85",
            b"=20",
        ),
    ]
)


@settings(max_examples=300)
@in_both_runs
@given(
    pieces=st.lists(PIECES, max_size=25), seed=st.sampled_from([b"", SIGNED, NESTED]), at=st.integers(0, 2000)
)
@example(pieces=[b"Content-Type: multipart/mixed; boundary=b\r\n", b"\r", b"--b"], seed=b"", at=0)
def test_nothing_that_comes_in_goes_out_unsafe(run: str, pieces: list[bytes], seed: bytes, at: int) -> None:
    """Whatever octets are read, what goes out keeps every promise, in both forms, and again when read back."""
    octets = seed[:at] + b"".join(pieces) + seed[at:]
    message = Message.from_bytes(octets)
    if not message._from and "_from" not in message._original.unread:  # type: ignore[union-attr]
        message.from_email = "me@example.com"
    wire = message.as_bytes()
    assert_safe(wire)
    if not message.needs_smtputf8:
        assert wire.partition(b"\r\n\r\n")[0].isascii()
    assert_safe(bytes(message.as_email_message()))
    assert_safe(Message.from_bytes(wire).as_bytes())
    again = Message.from_dict(message.to_dict())
    if not message._original.unread:  # type: ignore[union-attr]
        assert [Address(one) for one in again.recipients] == [Address(one) for one in message.recipients]
    assert_safe(again.as_bytes())


def test_a_charset_is_never_guessed_for_an_address() -> None:
    """Octets that are not UTF-8 may be a name; in an address they make no recipient, in no field."""
    octets = b"From: a@b.example\nTo: Zo\xeb <z@b.example>\r\nCc: you@\xffb.example, me@b.example\nResent-To: x@\xffb.c\r\n\r\nx"
    message = Message.from_bytes(octets)
    assert message.to == (Address("Zoë <z@b.example>"),)
    assert message.cc == (Address("me@b.example"),)
    assert "Resent-To" not in message.headers
    with pytest.raises(InvalidMessage, match="an address of octets that are not UTF-8"):
        message.parcel()
    assert b"xn--" not in message.as_bytes()
    assert_safe(message.as_bytes())


# -- address lists of others


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("a@b.c", ["a@b.c"]),
        ("John Q. Public <j@x.example>, , x@y.example,", ['"John Q. Public" <j@x.example>', "x@y.example"]),
        ("undisclosed-recipients:;", []),
        ('A: b@c.d, "E, F" <g@h.i>;, j@k.l', ["b@c.d", '"E, F" <g@h.i>', "j@k.l"]),
        ("<@relay.example,@other.example:a@b.c>", ["a@b.c"]),
        ("joe . doe @ example . com", ["joe.doe@example.com"]),
        ("a@(a comment)b.c (Ann (of Avon))", ['"Ann (of Avon)" <a@b.c>']),
        ("=?utf-8?q?Zo=C3=AB?= =?utf-8?q?_D=2E?= <z@b.c>", ['"Zoë D." <z@b.c>']),
        ('"=?utf-8?q?Zo=C3=AB?=" <z@b.c>', ["Zoë <z@b.c>"]),
        ("=?utf-8?q?a=0D=0ABcc=3A_x?= <z@b.c>", ['"a  Bcc: x" <z@b.c>']),
        ("=?utf-8?b?PT91dGYtOD9xP2E/PQ==?= <z@b.c>", ['"=?utf-8?q?a?=" <z@b.c>']),
        ("z@b.c (=?utf-8?b?PT91dGYtOD9xP2E/PQ==?=)", ['"=?utf-8?q?a?=" <z@b.c>']),
        ('" a  b\tc" <z@b.c>', ['" a  b c" <z@b.c>']),
        ('"quoted \\" local"@b.c', ['"quoted \\" local"@b.c']),
        ("x@[192.0.2.1]", ["x@[192.0.2.1]"]),
    ],
)
def test_address_lists_of_others_are_read(text: str, addresses: list[str]) -> None:
    """Groups, comments, old routes, blanks around dots and encoded-words are what real mail holds."""
    found = MailboxList(text)
    assert (found.fault, found.addresses) == ("", tuple(Address(one) for one in addresses))


@pytest.mark.parametrize(
    "text",
    [
        "alice@example.org <bob@example.org>", "alice@example.org)<bob@example.org>", "a..b@c.d", "a b@c.d", "<a@b.c",
        "a@b.c> d", "(open a@b.c", '"open <a@b.c>', "g1: g2: a@b.c;;", ";", "<>", "a@b@c", "A: a@b.c", "a@b:c@d.e",
        "@a,@b:c@d.e", "<a@b.c> (x) d", "a\\b@c.d", "a@b.c <", "[x] <a@b.c>", "\ud800@a.b",
    ],
)  # fmt: skip
def test_what_could_be_read_in_two_ways_is_not_read(text: str) -> None:
    """An address that is ambiguous or wrong is named, and becomes no recipient."""
    assert MailboxList(text).fault


NAMES = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u2028\u2029"), max_size=40
)
WORDS = st.lists(st.sampled_from(["=?utf-8?q?a?=", "=?", "?=", " ", '"', "é", "a,", "\\"])).map("".join)
LOCALS = st.text("abc.xyz0!", min_size=1, max_size=8).filter(lambda local: ".." not in f".{local}.")
ADDRESSES = st.builds(
    lambda name, local: Address(name=name, addr_spec=f"{local}@example.com"), NAMES | WORDS, LOCALS
)


@in_both_runs
@given(st.lists(ADDRESSES, min_size=1, max_size=6))
def test_what_we_write_is_read_again(run: str, addresses: list[Address]) -> None:
    """A list of addresses, laid out by us, is read back to the same addresses."""
    message = Message.from_bytes(Message(from_email="a@example.com", to=addresses).as_bytes())
    assert message.to == tuple(addresses)
