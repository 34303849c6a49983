"""The corpus through the renderer: two parsers read back exactly what is accepted; what is refused raises."""

from __future__ import annotations

import email.utils
import re
from typing import Any

import pytest
from corpus import attachment_bytes, body_text, cases
from mail import alike, second, standard, standard_mailboxes, wire

from modernmail.address import Address
from modernmail.attachment import Attachment
from modernmail.errors import InvalidAttachment, InvalidHeader, InvalidMessage, InvalidValue
from modernmail.message import Message

TO = "to@example.com"


def mail(**arguments: Any) -> Message:
    """Return a message of the least, and these arguments."""
    return Message(
        **{"from_email": "me@example.org", "to": [TO], "text": "body\n", "subject": "s", **arguments}
    )


@pytest.mark.parametrize("row", cases("addresses", verdict=("accept", "accept_smtputf8", "either")))
@pytest.mark.parametrize("argument", ["to", "from_email"])
def test_a_mailbox_comes_back(row: dict[str, Any], argument: str) -> None:
    """An accepted mailbox is one recipient in the envelope and one mailbox in the header, for all readers."""
    try:
        address = Address(row["input"])
    except InvalidValue:
        with pytest.raises(InvalidValue):
            mail(**{argument: row["input"]})
        return
    message = mail(**{argument: row["input"]})
    octets = wire(message)
    assert message.recipients == ((row["addr"],) if argument == "to" else (TO,))
    field = "To" if argument == "to" else "From"
    spec = address.addr_spec if address.needs_smtputf8 else address.ascii_addr_spec
    ((name, found_spec),) = standard_mailboxes(octets, field)
    assert (name, unescaped(found_spec)) == (address.name, unescaped(spec))
    other = second(octets)
    if address.local.startswith('"') or not address.domain or address.domain.startswith("["):
        # This parser's list of mailboxes knows no quoted local parts, literals and bare names.
        assert spec in other.headers[field][0]
        return
    found = other.from_ if argument == "from_email" else other.to[0]
    assert found is not None
    assert (found.display_name or "", found.address) == (address.name, spec)


def unescaped(addr_spec: str) -> str:
    """Return an addr-spec without the backslashes that its quoted local part does not need."""
    return re.sub(r"\\([^\\\"])", r"\1", addr_spec)


@pytest.mark.parametrize("row", cases("addresses", verdict="reject"))
@pytest.mark.parametrize("argument", ["from_email", "to", "cc", "bcc", "reply_to", "sender"])
def test_what_is_no_mailbox_is_refused_everywhere(row: dict[str, Any], argument: str) -> None:
    """A refused mailbox is refused by each argument, and the error names it."""
    for given in (row["input"], [row["input"]]):
        if given or argument in ("from_email", "sender"):  # an empty value for the others means nobody
            with pytest.raises(InvalidValue) as caught:
                mail(**{argument: given})
            assert caught.value.argument.startswith(argument)


def with_header(row: dict[str, Any]) -> Message:
    """Return a message with the field of a row."""
    if row["name"] == "Subject":
        return mail(subject=row["value"])
    return mail(headers=[(row["name"], row["value"])])


@pytest.mark.parametrize(
    "row", [case for case in cases("headers") if "roundtrip" in case.values[0]["expect"]]
)
def test_a_header_comes_back(row: dict[str, Any]) -> None:
    """An accepted value is read back exactly; a structured one has no encoded-word and no broken item."""
    try:
        octets = wire(with_header(row), row["name"])
    except InvalidHeader:
        assert row["expect"] == "reject_or_roundtrip"
        return
    expected = row["decoded"].strip(" \t")
    if not expected and row["name"] == "Subject":
        return
    name = row["name"]
    assert [value.lstrip(" ") for value in second(octets).headers[name]] == [expected]
    if row["cmp"] == "no_ew":
        head = octets.partition(b"\r\n\r\n")[0]
        assert b"=?" not in head
        assert name.encode() + b": " + expected.encode() in head.replace(b"\r\n", b"")
    if name == "Date":  # read as a moment, not as text
        assert standard(octets)[name].datetime == email.utils.parsedate_to_datetime(expected)
    else:
        # These Pythons keep the blank of a fold behind the colon, which only long names of fields need.
        assert str(standard(octets)[name]).lstrip(" " if len(name) > 50 else "") == expected


@pytest.mark.parametrize("row", cases("headers", expect="reject"))
def test_a_header_that_lies_is_refused(row: dict[str, Any]) -> None:
    """A refused field raises, given at once or set later; nothing is rendered."""
    with pytest.raises(InvalidHeader):
        with_header(row)
    if row["name"] != "Subject":
        with pytest.raises(InvalidHeader):
            mail().header(row["name"], row["value"])


@pytest.mark.parametrize("row", cases("headers", expect="single"))
def test_a_header_stands_once(row: dict[str, Any]) -> None:
    """Set twice, a field that may stand once is refused or replaced: the wire holds one."""
    message = mail()
    try:
        message.header(row["name"], row["value"]).header(row["name"].lower(), row["value"])
    except InvalidHeader:
        message = mail()
    parsed = standard(wire(message, row["name"]))
    assert len(parsed.get_all(row["name"], [])) <= 1
    assert len(standard(mail().as_bytes()).keys()) == 8


@pytest.mark.parametrize("row", cases("headers", expect="reject_or_safe"))
def test_a_doubtful_header_changes_no_structure(row: dict[str, Any]) -> None:
    """A field that need not be refused leaves the mail what it was: the same fields, and one more."""
    try:
        octets = wire(with_header(row), row["name"])
    except InvalidHeader:
        return
    for found in (
        dict(standard(octets).items()),
        {key: value[0] for key, value in second(octets).headers.items()},
    ):
        assert found.pop(row["name"]) == row["value"]
        assert len(found) == 8


@pytest.mark.parametrize("encoding", ["auto", "base64", "quoted-printable"])
@pytest.mark.parametrize("row", cases("bodies"))
def test_a_body_comes_back(row: dict[str, Any], encoding: str) -> None:
    """A body is read back as it was, newlines aside, in each encoding; what cannot be carried raises."""
    text = body_text(row)
    part = "html" if row["subtype"] == "html" else "text"
    message = mail(**{"text": None, part: text, "body_encoding": encoding})
    if row["expect"] == "reject" or "\0" in text:
        with pytest.raises(InvalidMessage, match=rf"^{part}: .*position \d"):
            wire(message)
        return
    octets = wire(message)
    parsed = standard(octets)
    assert parsed.get_content_subtype() == row["subtype"]
    assert alike(parsed.get_payload(decode=True).decode("utf-8")) == alike(text)
    other = second(octets)
    (found,) = other.text_html if part == "html" else other.text_plain
    assert alike(found) == alike(text).removeprefix("\ufeff")  # it takes a byte order mark for one


def attached(row: dict[str, Any]) -> Message:
    """Return a message with the attachment of a row."""
    attachment = Attachment(
        row["filename"],
        attachment_bytes(row),
        row["mimetype"],
        disposition=row["disposition"],
        content_id=row["cid"],
    )
    html = "<img src='cid:x'>" if row["cid"] is not None else None
    return mail(attachments=[attachment], html=html)


@pytest.mark.parametrize("row", cases("attachments"))
def test_an_attachment_comes_back(row: dict[str, Any]) -> None:
    """File name, media type and octets are read back exactly; what cannot be carried raises."""
    try:
        message = attached(row)
    except InvalidAttachment:
        assert "reject" in row["expect"] or row["mimetype"] == "message/rfc822"
        return
    assert row["expect"] != "reject"
    octets = wire(message)
    content = attachment_bytes(row)
    parts = [part for part in standard(octets).walk() if part.get_content_disposition() is not None]
    assert len(parts) == 1
    part = parts[0]
    assert not part.defects
    assert part["Content-Disposition"].params["filename"] == row["decoded_filename"]
    assert part.get_content_disposition() == row["disposition"]
    if row["expect"] == "reject_or_octet":
        assert part.get_content_type() == "application/octet-stream"
    elif row["decoded_type"] is not None:
        assert part.get_content_type() == row["decoded_type"]
    if part.get_content_type() == "message/rfc822":
        assert content in octets
        return
    assert part.get_payload(decode=True) == content
    if row["cid"] is not None:
        assert part["Content-ID"] == f"<{row['cid'].strip('<>')}>"
    (found,) = second(octets).attachments
    assert (found.filename, found.content, found.disposition) == (
        row["decoded_filename"],
        content,
        row["disposition"],
    )
