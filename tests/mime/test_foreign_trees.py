"""Mail that the standard library builds, of any structure: read, written and given back, it is the same tree."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage, MIMEPart
from typing import Any

from budget import in_both_runs
from hypothesis import given
from hypothesis import strategies as st
from mail import assert_safe

from modernmail.message import Message

LEAVES = st.tuples(
    st.sampled_from(
        [
            *("text/plain", "text/html", "text/calendar", "text/csv", "text/plain; charset=iso-8859-1"),
            *("image/png", "application/pdf", "application/octet-stream", "message/rfc822"),
        ]
    ),
    st.sampled_from(["a\n", "é\n", "x" * 1200 + "\n", "From a\n.\n", "", "a b \n", "no newline", "\n\n"]),
    st.sampled_from([None, "attachment", "inline"]),
    st.sampled_from([None, "a.txt", "é.pdf", 'q"uo.txt', "=?utf-8?q?a?=.txt"]),
    st.sampled_from([None, "<cid@x>", "<b>"]),
)
TREES = st.recursive(
    LEAVES,
    lambda children: st.tuples(
        st.sampled_from(["mixed", "alternative", "related", "signed", "report", "parallel"]),
        st.lists(children, max_size=3),
    ),
    max_leaves=7,
)


def built(node: Any, kind: type[Any] = MIMEPart) -> Any:
    """Return the standard library's part of a node."""
    part = kind()
    if len(node) == 2:
        part["Content-Type"] = f"multipart/{node[0]}"
        part._payload = [built(child) for child in node[1]]
        return part
    media_type, text, disposition, filename, cid = node
    arguments = {"disposition": disposition, "filename": filename, "cid": cid}
    main, _, sub = media_type.partition("/")
    if media_type == "message/rfc822":
        inner = EmailMessage()
        inner["Subject"], inner["From"], inner["Bcc"] = "é inside", "a@b.example", "hidden@secret.example"
        inner.set_content(text)
        part.set_content(inner, **arguments)
    elif main == "text":
        sub, _, charset = sub.partition("; charset=")
        part.set_content(text, subtype=sub, charset=charset or "utf-8", **arguments)
    else:
        part.set_content(text.encode(), maintype=main, subtype=sub, **arguments)
    return part


def shape(octets: bytes) -> Any:
    """Return what the standard library's parser finds: types, names, contents, part in part."""
    return _shape(email.message_from_bytes(octets, policy=email.policy.default))


def _shape(part: Any) -> Any:
    if part.get_content_maintype() == "multipart":
        payload = part.get_payload()
        return part.get_content_type(), [_shape(child) for child in payload if not isinstance(payload, str)]
    if part.get_content_type() == "message/rfc822":
        inner = part.get_payload(0) if part.is_multipart() else part
        return "message/rfc822", str(inner["Subject"]), inner.get_payload(decode=True).rstrip()
    content = part.get_payload(decode=True)
    if part.get_content_maintype() == "text":
        content = content.decode(part.get_content_charset("ascii")).replace("\r\n", "\n").rstrip("\n")
    cid = part["Content-ID"]
    disposition = part.get_content_disposition()
    if disposition == "inline" and cid is None and part.get_filename() is None:
        disposition = None  # what a body is anyway (RFC 2183 2.1)
    return (
        part.get_content_type(), content, part.get_filename(), disposition,
        None if cid is None else str(cid).strip(),
    )  # fmt: skip


@in_both_runs
@given(TREES)
def test_any_tree_survives_both_ways(run: str, node: Any) -> None:
    """What a part is, says and is called comes through `Message`, and back through `as_email_message()` and JSON."""
    standard = built(node, EmailMessage)
    standard["From"], standard["To"], standard["Subject"] = (
        "a@b.example",
        "Zoë <q@r.example>",
        "=?utf-8?q?x?= é",
    )
    expected = shape(standard.as_bytes(policy=email.policy.SMTP))
    message = Message.from_email_message(standard)
    octets = message.as_bytes()
    assert_safe(octets)
    assert b"hidden" not in octets
    assert shape(octets) == expected
    assert shape(bytes(message.as_email_message())) == expected
    assert shape(Message.from_dict(message.to_dict()).as_bytes()) == expected
