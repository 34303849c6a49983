"""EmailMessage: a genuine one, part by part the same, folded and checked by us; and back again."""

from __future__ import annotations

import copy
import email
import email.policy
import pickle
from email.header import Header
from email.headerregistry import Address as StandardAddress
from email.headerregistry import Group
from email.message import EmailMessage, MIMEPart
from email.mime.image import MIMEImage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.utils import formataddr
from typing import Any

import pytest
from mail import standard
from samples import PNG, full, mail

from modernmail import Message
from modernmail.errors import InvalidHeader, InvalidMessage, InvalidValue

POLICIES = [None, email.policy.default, email.policy.SMTP, email.policy.SMTPUTF8, email.policy.compat32]


def parts_of(message: Any) -> list[Any]:
    """Return what each part is and holds, boundaries aside."""
    found = []
    for part in message.walk():
        kind = part.get_content_type()
        params = {name: value for name, value in part.get_params([]) if name != "boundary"}
        content = (
            None
            if part.is_multipart()
            else part.get_payload(decode=True).replace(b"\r\n", b"\n").rstrip(b"\n")
        )
        found.append(
            (kind, params, part.get_content_disposition(), part.get_filename(), part["Content-ID"], content)
        )
    return found


def many() -> list[Message]:
    """Return messages of every shape."""
    long = "Długi temat, który nie mieści się w jednym wierszu nagłówka, i jeszcze trochę więcej słów 日本語"
    return [
        mail(),
        mail(text="Grüße\n" * 400),
        mail(text="x" * 5000),
        mail(text=None),
        mail(html="<p>x"),
        mail(subject=long, to=[f"Näme {n} <to{n}@example.com>" for n in range(20)]),
        mail(text=None).attach("a.pdf", b"\0\1\2" * 1000),
        full(),
        mail(html="<p>x").embed("logo", PNG).attach("Übersicht " * 20 + ".pdf", b"x"),
        mail().attach("inner.eml", full()),
        mail(headers={"References": " ".join(f"<{n}{'x' * 60}@example.com>" for n in range(9))}),
    ]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("number", range(len(many())))
def test_an_email_message_is_the_same_part_by_part(number: int, policy: Any) -> None:
    """as_email_message() holds the same parts as as_bytes(), under our policy and under that of the caller."""
    message = (
        many()[number]
        .header("Message-ID", "<1@example.com>")
        .header("Date", "Thu, 05 Nov 2026 09:07:03 +0000")
    )
    given = message.as_email_message(policy=policy)
    assert isinstance(given, EmailMessage)
    assert parts_of(given) == parts_of(standard(message.as_bytes()))
    again = email.message_from_bytes(bytes(given), policy=email.policy.default)
    assert parts_of(again) == parts_of(standard(message.as_bytes()))
    if policy is None:
        head, theirs = (octets.partition(b"\r\n\r\n")[0] for octets in (message.as_bytes(), bytes(given)))
        assert drop_boundary(head) == drop_boundary(theirs)


def drop_boundary(head: bytes) -> bytes:
    """Return a header block without its boundary."""
    return head.partition(b"boundary=")[0]


@pytest.mark.parametrize("policy", POLICIES[1:])
def test_the_policy_of_the_caller_is_honoured(policy: Any) -> None:
    """With policy=, the object has that policy, and its fields are what a parser under that policy would give."""
    given = mail(subject="Grüße").as_email_message(policy=policy)
    assert given.policy is policy
    assert type(given) is EmailMessage
    read = email.message_from_bytes(mail(subject="Grüße").as_bytes(), policy=policy)
    assert given["Subject"] == read["Subject"]
    assert type(given["To"]).__name__ == type(read["To"]).__name__


@pytest.mark.parametrize("policy", POLICIES)
def test_mail_of_others_without_mime_fields(policy: Any) -> None:
    """What has no Content-Type has none as an object either, and its MIME-Version stays what it was."""
    octets = b"From: a@example.com\r\nMime-Version: 1.0 (x)\r\n\r\nhi\r\n"
    message = Message.from_bytes(octets).as_email_message(policy=policy)
    assert message.keys() == ["From", "Date", "Message-ID", "Mime-Version"]
    assert str(message["MIME-Version"]).startswith("1.0")
    assert message.get_payload().splitlines() == ["hi"]


def test_it_behaves_like_any_email_message() -> None:
    """Header objects, content managers, iteration, strings and copies work as in the standard library."""
    given = full().as_email_message()
    assert given["To"].addresses[0].display_name == "Zoë"
    assert given["Date"].datetime.tzinfo is not None
    assert given.get_body(("plain",)).get_content().split() == ["Text", "é"]
    assert [part.get_filename() for part in given.iter_attachments()] == ["a.csv", "b.bin"]
    assert "To: =?utf-8?q?Zo=C3=AB?= <zoe@example.com>" in given.as_string()
    assert "\r" not in given.as_string(policy=given.policy.clone(linesep="\n"))
    for other in (copy.deepcopy(given), pickle.loads(pickle.dumps(given))):
        assert bytes(other) == bytes(given)


def test_a_change_to_it_shows_in_its_octets() -> None:
    """Nothing is kept beside the object: what is added, replaced or removed is what is written."""
    given = mail().as_email_message()
    given.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="Übersicht.pdf")
    given.replace_header("Subject", "Nęw")
    del given["To"]
    given["To"] = [
        StandardAddress("Zoë", "zoe", "example.com"),
        Group("Friends", (StandardAddress("", "a", "b.example"),)),
    ]
    read = standard(bytes(given))
    assert read["Subject"] == "Nęw"
    assert [str(one) for one in read["To"].addresses] == ["Zoë <zoe@example.com>", "a@b.example"]
    assert [part.get_filename() for part in read.iter_attachments()] == ["Übersicht.pdf"]
    given = mail().as_email_message()
    given.set_content("plain again\n")
    assert standard(bytes(given)).get_content() == "plain again\r\n"


def test_fields_that_are_set_are_folded_by_us() -> None:
    """Long names keep their quotes, message-ids and URIs are no encoded-words, lines fit."""
    given = mail().as_email_message()
    del given["To"]
    name = "Doe, Jane, of the very long name that no line can hold, and which has commas in it, many of them"
    given["To"] = formataddr((name, "jane@example.com"))
    given["List-Unsubscribe"] = f"<https://example.com/{'u' * 100}>, <mailto:leave@example.com>"
    given["References"] = " ".join(f"<{n}{'r' * 50}@example.com>" for n in range(5))
    octets = bytes(given)
    assert max(map(len, octets.split(b"\r\n"))) <= 141
    head = octets.partition(b"\r\n\r\n")[0]
    assert b"=?" not in head
    assert [one.display_name for one in standard(octets)["To"].addresses] == [name]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-A", "a\nBcc: evil@example.net"),
        ("X-A", "a\0b"),
        ("Subject", "a\r\nb"),
        ("X A", "x"),
        ("X:A", "x"),
        ("", "x"),
        ("X" * 77, "x"),
        ("To", f"a@(Bcc:evil@example.net,{'y' * 80})example.com"),
        ("To", "a@example.com <b@example.com>"),
        ("To", "a\n@example.com"),
        ("Reply-To", "a@b@c"),
        ("References", "not an id"),
        ("Content-Type", "text/plain\nX: y"),
        ("Date", "yesterday"),
        ("X-A", 5),
    ],
)
def test_fields_that_are_set_are_checked_by_us(name: str, value: Any) -> None:
    """What Message refuses, the EmailMessage that it gives refuses too."""
    given = mail().as_email_message()
    del given[name or "x"]
    with pytest.raises(InvalidValue):
        given[name] = value


def test_text_that_is_set_is_text() -> None:
    """What looks like an encoded-word in a subject that is set arrives literally."""
    given = mail().as_email_message()
    del given["Subject"]
    given["Subject"] = "=?utf-8?q?=0D=0ABcc:x?="
    assert standard(bytes(given))["Subject"] == "=?utf-8?q?=0D=0ABcc:x?="


@pytest.mark.parametrize("name", ["Bcc", "bCC", "Resent-Bcc", "RESENT-BCC"])
def test_a_blind_copy_is_kept_and_never_written(name: str) -> None:
    """Bcc may be set, as smtplib wants it; no form of the message shows it."""
    given = mail().as_email_message()
    given[name] = "Secret <secret@example.com>"
    assert given[name].addresses[0].addr_spec == "secret@example.com"
    assert b"secret" not in bytes(given)
    assert "secret" not in given.as_string()


def test_addresses_that_need_smtputf8() -> None:
    """Such a message comes with a policy that writes UTF-8; under another it is refused, not garbled."""
    message = mail(to=["我買@屋企.香港"])
    given = message.as_email_message()
    assert "我買@屋企.香港".encode() in bytes(given)
    assert Message.from_email_message(given).recipients == message.recipients
    with pytest.raises(InvalidHeader, match="SMTPUTF8"):
        given.as_bytes(policy=given.policy.clone(utf8=False))


def test_nested_encoded_words_are_no_fields() -> None:
    """The encoded-word that becomes a Bcc field under the standard policies of older Pythons stays what it is."""
    evil = b"Subject: =?utf-8?q?x=0D=0ABcc:a=40b.c?=\r\nFrom: a@b.c\r\n\r\nx\r\n"
    read = email.message_from_bytes(evil, policy=email.policy.default)
    octets = Message.from_email_message(read).as_bytes()
    assert standard(octets)["Bcc"] is None
    assert b"\r\nBcc" not in octets


# -- back


@pytest.mark.parametrize("number", range(len(many())))
@pytest.mark.parametrize("way", ["bytes", "object", "policy"])
def test_what_message_can_express_survives_both_ways(number: int, way: str) -> None:
    """A message that comes back says the same, and none of it is carried verbatim."""
    message = many()[number].copy(bcc=(), return_path=None)
    message._dsn, message._require_tls = None, False  # these are the envelope's
    octets = message.as_bytes()
    if way == "bytes":
        back = Message.from_bytes(octets)
    elif way == "object":
        back = Message.from_email_message(message.as_email_message())
    else:
        back = Message.from_email_message(email.message_from_bytes(octets, policy=email.policy.default))
    assert back.verbatim is None
    assert isinstance(back.headers.get("Date"), str)
    back.headers = [(name, value) for name, value in back.headers if name not in ("Date", "Message-ID")]
    assert normal(back) == normal(message)
    assert parts_of(standard(back.as_bytes())) == parts_of(standard(octets))


def normal(message: Message) -> Message:
    """Return a message with the final newline that the wire gives each text, and the default encoding."""
    other = (
        Message.from_dict({**message.to_dict(), "body_encoding": "auto"})
        if message._original is None
        else message
    )
    fresh = Message(
        other.subject, from_email=other.from_email, to=other.to, cc=other.cc, reply_to=other.reply_to,
        sender=other.sender, headers=list(other.headers),
    )  # fmt: skip
    for name in ("text", "html"):
        text = getattr(other, name)
        setattr(fresh, name, text if text is None else text.rstrip("\n") + "\n")
    if fresh.text is None and fresh.html is None and not other.attachments and not other.alternatives:
        fresh.text = "\n"
    for part in other.attachments:
        fresh._attachments.append(part)
    for content, kind in other.alternatives:
        fresh.alternative(content, kind)
    return fresh


def test_objects_of_the_standard_library_are_read() -> None:
    """EmailMessage, the old MIME classes and Header objects become fields; Bcc goes to the envelope."""
    given = EmailMessage()
    given["Subject"], given["From"] = "Grüße", "Zoë <zoe@example.com>"
    given["To"], given["Bcc"] = "a@example.com, b@example.com", "secret@example.com"
    given.set_content("text é\n")
    given.add_alternative("<p>é", subtype="html")
    given.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="ü.pdf")
    message = Message.from_email_message(given)
    assert message.verbatim is None
    assert (message.subject, message.text) == ("Grüße", "text é\n")
    assert [str(one) for one in (*message.to, *message.bcc)] == [
        "a@example.com",
        "b@example.com",
        "secret@example.com",
    ]
    assert [(one.filename, one.content) for one in message.attachments] == [("ü.pdf", b"%PDF")]
    assert b"secret" not in message.as_bytes()

    old = MIMEMultipart()
    old["Subject"], old["From"] = Header("Grüße", "iso-8859-1"), "a@example.com"
    old["To"] = Header("Zoë <zoe@example.com>", "utf-8")
    old.attach(MIMEText("é", _charset="iso-8859-1"))
    image = MIMEImage(PNG, "png")
    image.add_header("Content-Disposition", "attachment", filename="a.png")
    old.attach(image)
    message = Message.from_email_message(old)  # type: ignore[arg-type]
    assert (message.subject, message.text, message.verbatim) == ("Grüße", "é", None)
    assert str(message.to[0]) == "Zoë <zoe@example.com>"
    assert message.attachments[0].content == PNG


def test_what_the_standard_library_cannot_write_is_refused() -> None:
    """A part without content of its own kind cannot be written: an error says so."""
    for payload in ("é", object()):
        given = EmailMessage()
        given["From"] = "a@example.com"
        given._payload = payload  # type: ignore[attr-defined]
        with pytest.raises(InvalidMessage, match="cannot be written"):
            Message.from_email_message(given)


def test_headers_that_are_no_fields_are_left_out() -> None:
    """A name that no field can have, put past the checks of the standard library, is not written."""
    given = EmailMessage()
    given["From"] = "a@example.com"
    for name in ("X\r\nBcc", "X Y", "", "Ü", "X" * 1000):
        given.set_raw(name, "evil")
    given.set_raw("X-Long-Name-" + "x" * 80, "é")
    given.set_content("x")
    assert b"evil" not in Message.from_email_message(given).as_bytes()


# -- parts as attachments


def test_a_part_becomes_an_attachment() -> None:
    """A MIME part keeps its octets, its type with parameters, its name, its disposition and content-id."""
    part = MIMEPart()
    part.set_content(
        bytes(range(256)), maintype="application", subtype="x-b", filename="ü.bin", params={"v": "1"}
    )
    message = mail().attach("other.bin", part)
    message._add(part, "attachment")
    first, second = message.attachments
    assert first.content == second.content == bytes(range(256))
    assert (first.filename, second.filename) == ("other.bin", "ü.bin")
    assert first.media_type == "application/x-b; v=1"
    inline = MIMEImage(PNG, "png")
    inline.add_header("Content-ID", "<logo>")
    inline.add_header("Content-Disposition", "inline")
    (image,) = mail(html="<img src=cid:logo>", attachments=[inline]).attachments
    assert (image.disposition, image.content_id, image.content) == ("inline", "logo", PNG)
    (table,) = mail(attachments=[MIMEText("é;1", "csv", "iso-8859-1")]).attachments
    assert (table.content, table.media_type) == ("é;1".encode("latin-1"), "text/csv; charset=iso-8859-1")


def test_messages_become_message_rfc822() -> None:
    """A Message, an EmailMessage, an old message and a message/rfc822 part arrive as message/rfc822."""
    inner = full()
    wrapped = MIMEPart()
    wrapped.set_content(inner.as_email_message())
    old = MIMEText("old")
    old["Subject"] = "s"
    for item in (inner, inner.as_email_message(), old, wrapped):
        octets = mail().attach("inner.eml", item).as_bytes()
        part = next(iter(standard(octets).iter_attachments()))
        assert (part.get_content_type(), part.get_filename()) == ("message/rfc822", "inner.eml")
        subject = part.get_content()["Subject"]
        assert subject == ("s" if item is old else inner.subject)
        assert b"blind@example.com" not in octets


def test_an_enclosed_message_travels_in_seven_bits() -> None:
    """8-bit text in an enclosed message is encoded anew; an international header makes it message/global."""
    eight = mail(text="Grüße\n", body_encoding="8bit")
    octets = mail().attach("a.eml", eight).as_bytes()
    assert octets.isascii()
    inner = next(iter(standard(octets).iter_attachments())).get_content()
    assert inner.get_content() == "Grüße\r\n"
    (part,) = mail().attach("a.eml", mail(to=["我買@屋企.香港"])).attachments
    assert part.media_type == "message/global"
    assert mail().attach("a.eml", mail(to=["我買@屋企.香港"])).as_bytes().isascii()


def test_a_multipart_is_attached_as_it_is() -> None:
    """A multipart part is carried verbatim, also through a pickle, JSON and a copy."""
    signed = MIMEMultipart("signed", micalg="pgp-sha256", protocol="application/pgp-signature")
    signed.attach(MIMEText("text\n"))
    signed.attach(MIMEText("sig\n", "x-signature"))
    message = mail().attach("signed", signed)
    for other in (
        message,
        pickle.loads(pickle.dumps(message)),
        Message.from_dict(message.to_dict()),
        message.copy(),
    ):
        part = list(standard(other.as_bytes()).iter_parts())[1]
        assert part.get_content_type() == "multipart/signed"
        assert part.get_param("micalg") == "pgp-sha256"
        assert [one.get_content_type() for one in part.iter_parts()] == ["text/plain", "text/x-signature"]
    assert message.attachments[0].media_type == "multipart/signed"
    back = Message.from_bytes(message.as_bytes())
    assert back.verbatim is not None
