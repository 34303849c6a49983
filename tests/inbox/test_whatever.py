"""Whatever is searched for, and whatever arrives: an answer or an error that says why, never a fault of ours."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

import pytest
from budget import in_both_runs
from hypothesis import given
from hypothesis import strategies as st

from modernmail.errors import InvalidSearch
from modernmail.inbox import CapturedMail, MemoryStore
from modernmail.inbox.web.mailpit_shapes import message_shape
from modernmail.inbox.web.preview import preview
from modernmail.inbox.web.shapes import mail_json
from modernmail.inbox.web.shown import ShownMail
from modernmail.lint import lint
from modernmail.reading import read

if TYPE_CHECKING:
    from collections.abc import Iterator

SEARCHES = st.lists(
    st.one_of(
        st.sampled_from(
            [
                *(
                    "from:",
                    "to:",
                    "subject:",
                    "tag:",
                    "id:",
                    "has:attachment",
                    "is:read",
                    "before:",
                    "after:",
                ),
                *(
                    "-",
                    "!",
                    '"',
                    "*",
                    "(",
                    ")",
                    "AND",
                    "NEAR(",
                    "^",
                    " ",
                    "\0",
                    "\ud800",
                    "%",
                    "_",
                    "\\",
                    "检",
                ),
                *("2026-11-03", "0001-01-01", "9999-12-31T23:59", "T10:00+23:59", "hello", "http://"),
            ]
        ),
        st.text(max_size=4),
    ),
    max_size=12,
).map("".join)

PIECES = [
    *("From: ", "To: ", "Subject: ", "Date: ", "Message-ID: ", "Content-ID: <x>", "Content-Disposition: attachment"),
    *("Content-Type: text/html", "Content-Type: text/plain", "Content-Type: multipart/mixed; boundary=q"),
    *("Content-Type: message/rfc822", "; charset=", "utf-16", "utf-7", "idna", "unicode_escape", "hex", "klingon"),
    *("Content-Transfer-Encoding: base64", "quoted-printable", "; filename=", "; filename*0*=utf-8''%ff"),
    *("\r\n", "\r\n\r\n", "--q\r\n", "--q--", "\n", "\r", " ", "\t", "\0", "\xff", "\u2028", "😀", "ⅷ", "²"),
    *("<p>", "<img src='", "<style>", "</style>", "<a href='", "'>", "<!--", "<!doctype html>", "<iframe srcdoc='"),
    *("cid:x", "http://[", "https://x:99999999/", "//", "url(", "@import '", "data:image/svg+xml,", "&#", "&#x"),
    *("9" * 5000, "&amp;", "@media (prefers-color-scheme: dark) {", "{", "}", "style='", "srcset='", '"\\', "=?utf-8?q?"),
    *("=?x?b?////?=", "=FF", "a@b.example", '"', "(", ")", "<", ">", ",", "code 123456", "Mon, 99 Jan 99999 99:99:99"),
]  # fmt: skip
MAILS = st.lists(st.sampled_from(PIECES), max_size=40).map(
    lambda pieces: "".join(pieces).encode("utf-8", "replace")
)


@pytest.fixture(scope="module")
def searched() -> Iterator[MemoryStore]:
    """A store with a mail."""
    with MemoryStore() as store:
        store.add(CapturedMail("a@b", ("c+tag@d",), b"Subject: hello\r\n\r\nhello \0 world"))
        yield store


@in_both_runs
@given(query=SEARCHES)
def test_any_search(run: str, searched: MemoryStore, query: str) -> None:
    """A search is answered, or refused with what there is."""
    with contextlib.suppress(InvalidSearch):
        assert len(searched.find(query)) == searched.count(query)


@in_both_runs
@given(content=MAILS)
def test_any_mail(run: str, content: bytes) -> None:
    """A mail is listed, shown in every view, previewed, checked, and told as JSON."""
    mail = CapturedMail("a@b.example", ("c@d.example",), content)
    with MemoryStore() as store:
        summary = store.add(mail)
    assert not summary.snippet.startswith("This mail cannot be read")
    shown = ShownMail(summary, mail)
    assert shown.views
    for value in (shown.comparison, shown.session, shown.structure, shown.links, shown.codes, shown.remote):
        assert isinstance(value, list)
    words = (shown.source, shown.raw, shown.subject, preview(read(content), scheme="dark"))
    assert all(text.encode("utf-8") or not text for text in words)
    assert [finding.check for finding in lint(content) if not finding.message] == []
    for shape in (mail_json, message_shape):
        assert json.loads(json.dumps(shape(summary, mail)))
