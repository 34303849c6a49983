"""Properties of the whole renderer: what goes in comes out of two parsers, for whatever text there is.

The default run tries a few examples of each; `nox -s fuzz` tries very many.
"""

from __future__ import annotations

from typing import Any

import pytest
from budget import in_both_runs
from hypothesis import example, given
from hypothesis import strategies as st
from mail import second, standard, standard_mailboxes, wire

from modernmail.address import Address
from modernmail.attachment import Attachment
from modernmail.errors import InvalidHeader, InvalidMessage
from modernmail.grammar.characters import refusal
from modernmail.message import Message

ODD = [
    *'"\\<>()[]:;@,.=?_ \t-',
    "=?",
    "?=",
    "=?utf-8?q?",
    "=0D=0A",
    "\r\n",
    "\r",
    "\n",
    "\0",
    "a",
    "b" * 80,
    "c" * 990,
    "é",
    "日本",
    "😀",
    "e\u0301",
    "\u2028",
    "\ufeff",
    "\xa0",
    "\ud800",
    "--",
    "From ",
    "\r\n.\r\n",
    "Bcc: x",
]
any_text = st.lists(
    st.sampled_from(ODD) | st.characters() | st.text("ab ", min_size=1, max_size=60), max_size=12
).map("".join)
header_text = any_text.map(
    lambda text: text if not refusal(text) else "".join(char for char in text if not refusal(char))
)
names = header_text.map(lambda text: text.replace("\t", "").strip())
local_parts = st.text("abcdefgXYZ019!#$%&'*+-/^_`{|}~", min_size=1, max_size=30)
domains = st.sampled_from(["example.com", "bücher.example", "a.b.c.example", "x" * 60 + ".example"])


def mail(**arguments: Any) -> Message:
    """Return a message of the least, and these arguments."""
    return Message(
        **{"from_email": "me@example.org", "to": ["to@example.com"], "text": "body\n", **arguments}
    )


@in_both_runs
@given(any_text)
def test_a_subject_is_refused_or_comes_back(run: str, text: str) -> None:
    """Whatever the subject: it is refused for a character no header holds, or two parsers read it exactly."""
    if refusal(text):
        with pytest.raises(InvalidHeader):
            mail(subject=text)
        return
    octets = wire(mail(subject=text))
    expected = text.strip(" \t")
    assert [value.strip(" \t") for value in second(octets).headers.get("Subject", [""])] == [expected]
    assert str(standard(octets)["Subject"] or "") == expected


@in_both_runs
@given(st.text("abcXYZ-_.!", min_size=1, max_size=40), header_text)
def test_a_header_comes_back(run: str, name: str, text: str) -> None:
    """An extra field of any name is read back exactly, and is the only one more."""
    name = f"X-{name}"
    octets = wire(mail(headers={name: text}), name)
    expected = text.strip(" \t")
    found = second(octets).headers
    assert [value.strip(" \t") for value in found[name]] == [expected]
    assert len(found) == 8


@in_both_runs
@given(st.lists(st.tuples(names, local_parts, domains), min_size=1, max_size=12))
def test_mailboxes_come_back(run: str, parts: list[tuple[str, str, str]]) -> None:
    """Any names in a list of mailboxes are read back, each with its own addr-spec and no other."""
    from modernmail.address import Address

    addresses = [Address(name=name, addr_spec=f"{local}@{domain}") for name, local, domain in parts]
    octets = wire(mail(cc=addresses), "Cc")
    expected = [(address.name, address.ascii_addr_spec) for address in addresses]
    assert standard_mailboxes(octets, "Cc") == expected
    assert [(one.display_name or "", one.address) for one in second(octets).cc] == expected


@in_both_runs
@given(any_text, st.sampled_from(["auto", "base64", "quoted-printable"]), st.sampled_from(["text", "html"]))
def test_a_body_is_refused_or_comes_back(run: str, text: str, encoding: str, part: str) -> None:
    """Whatever the body: it is refused for a NUL or a lone surrogate, or two parsers read it exactly."""
    message = mail(**{"text": None, part: text, "body_encoding": encoding})
    if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
        with pytest.raises(InvalidMessage, match="position"):
            wire(message)
        return
    octets = wire(message)
    expected = text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")
    read = standard(octets).get_payload(decode=True).decode().replace("\r\n", "\n").removesuffix("\n")
    assert read == expected
    other = second(octets)
    (found,) = other.text_html if part == "html" else other.text_plain
    assert found.replace("\r\n", "\n").removesuffix("\n") == expected.removeprefix("\ufeff")


@in_both_runs
@given(header_text.filter(lambda text: not set(text) & set("/\\\t") and text), st.binary(max_size=300))
@example("=?utf-8?q?=0D=0ABcc:x?=", b"\r\n.\r\n")
def test_an_attachment_comes_back(run: str, filename: str, content: bytes) -> None:
    """Any file name and any octets are read back exactly."""
    octets = wire(mail(attachments=[Attachment(filename, content, "application/octet-stream")]))
    (part,) = standard(octets).iter_attachments()
    assert part["Content-Disposition"].params["filename"] == filename
    assert part.get_payload(decode=True) == content
    (found,) = second(octets).attachments
    assert (found.filename, found.content) == (filename, content)


texts = any_text.map(lambda text: text.replace("\0", "").encode("utf-8", "ignore").decode())
file_names = header_text.map(lambda text: "".join(text.split("\t")).replace("/", "").replace("\\", "") or "x")
mailboxes = st.builds(
    lambda name, local, domain: Address(name=name, addr_spec=f"{local}@{domain}"), names, local_parts, domains
)
attachments = st.builds(
    Attachment, file_names, st.binary(max_size=200), st.sampled_from(["a/b", "image/png", "application/pdf"])
)
embedded = st.builds(
    lambda content, cid: Attachment(None, content, "image/png", disposition="inline", content_id=cid),
    st.binary(max_size=50),
    st.text("abc.@-", min_size=1, max_size=20),
)
alternatives = st.tuples(
    texts, st.sampled_from(["text/calendar; method=REQUEST", "text/x-amp-html", "text/csv; header=present"])
)
messages = st.builds(
    Message,
    subject=header_text,
    text=st.none() | texts,
    html=st.none() | texts,
    from_email=mailboxes,
    to=st.lists(mailboxes, max_size=3),
    cc=st.lists(mailboxes, max_size=2),
    bcc=st.just(["hidden@secret.example"]),
    reply_to=st.lists(mailboxes, max_size=2),
    sender=st.none() | mailboxes,
    headers=st.dictionaries(
        st.text("abc", min_size=1, max_size=5).map("X-{}".format), header_text, max_size=2
    ),
    attachments=st.tuples(
        st.lists(embedded, max_size=2, unique_by=lambda part: part.content_id),
        st.lists(attachments, max_size=3),
    ).map(lambda parts: [*parts[0], *parts[1]]),
    alternatives=st.lists(alternatives, max_size=2),
    body_encoding=st.sampled_from(["auto", "base64", "quoted-printable", "8bit"]),
)


@in_both_runs
@given(messages)
def test_a_whole_message_comes_back(run: str, message: Message) -> None:
    """Whatever is put together: it keeps every promise on the wire, and is read back to the same, by three ways."""
    extra = [
        *(name for name, _ in message.headers),
        "Sender",
        "Reply-To",
        "Cc",
        "Content-Disposition",
        "Content-ID",
    ]
    octets = wire(message, *extra)
    assert b"hidden" not in octets
    assert not [part.defects for part in standard(octets).walk() if part.defects]
    again = Message.from_bytes(octets)
    assert again.verbatim is None
    assert said(again) == said(message)
    given = message.as_email_message()
    assert given.keys() == standard(octets).keys()
    assert said(Message.from_email_message(given)) == said(message)
    assert Message.from_dict(message.to_dict()) == message


def said(message: Message) -> dict[str, Any]:
    """Return what a message says, newlines alike and one final newline off."""

    def alike(text: Any) -> Any:
        return (
            text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")
            if isinstance(text, str)
            else text
        )

    no_parts = message.html is None and not message.attachments and not message.alternatives
    return {
        "subject": message.subject.strip(" \t"),
        "text": alike(message.text or "") if no_parts else alike(message.text),
        "html": alike(message.html),
        "addresses": [message.from_email, message.to, message.cc, message.reply_to, message.sender],
        "parts": sorted(
            [
                (part.is_embedded, part.filename, part.content, part.media_type)
                for part in message.attachments
            ],
            key=lambda part: part[0],
        ),
        "alternatives": sorted((alike(content), kind) for content, kind in message.alternatives),
        "headers": [(name, value) for name, value in message.headers if name.startswith("X-")],
    }
