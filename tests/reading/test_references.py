"""Markup and references: tags as browsers see them, links, codes, and what would be loaded."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from modernmail.reading import read, references
from modernmail.reading.markup import read_tags
from modernmail.reading.references import find_codes, find_links, find_remote, words_of_html

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modernmail.reading.markup import Tag


@pytest.mark.parametrize(
    ("html", "tags"),
    [
        ("<A HREF=x>", [("a", {"href": "x"})]),
        ("<a href='1' HREF=2 b=\"&lt;\" c>", [("a", {"href": "1", "b": "<", "c": ""})]),
        ("<a/b/c=d>", [("a", {"b": "", "c": "d"})]),
        ("<a =b>", [("a", {"=b": ""})]),
        ("<a b = c\td>", [("a", {"b": "c", "d": ""})]),
        ("<a b='>'>x", [("a", {"b": ">"})]),
        ("<a b='", [("a", {"b": ""})]),
        ("</a b=c>", [("a", {"b": "c"})]),
        ("< a><1><>&lt;b>", []),
        ("<!-- <a> --><b>", [("b", {})]),
        ("<!--><b><!---><c>-->", [("b", {}), ("c", {})]),
        ("<!-- x --!><b>", [("b", {})]),
        ("<!-- open <b>", []),
        ("<!DOCTYPE html><?xml <b>?><c></ <d>", [("c", {})]),
        ("<!DOCTYPE open", []),
        ("<style><a></STYLE ><b>", [("style", {}), ("style", {}), ("b", {})]),
        ("<script>'</scripty>'</script><b>", [("script", {}), ("script", {}), ("b", {})]),
        ("<title><b></title>", [("title", {}), ("title", {})]),
        ("<textarea><b>", [("textarea", {})]),
        ("<plaintext><b>", [("plaintext", {})]),
        ("<svg:a x>", [("svg:a", {"x": ""})]),
        ("<my-tag\n\f>", [("my-tag", {})]),
    ],
)
def test_tags(html: str, tags: list[tuple[str, dict[str, str]]]) -> None:
    """Tags, attributes, comments and raw text are cut as the HTML standard cuts them."""
    assert [(tag.name, tag.attributes) for tag in read_tags(html)] == tags


@pytest.mark.parametrize(
    "piece", ["<!-- x -->", "<!--", "<a '", '<a b="', "<", "</", "<style>", "<title><", "<a =", "&"]
)
def test_markup_is_cut_in_one_pass(piece: str) -> None:
    """A megabyte of anything is cut at once."""
    assert sum(1 for _ in read_tags(piece * (2**20 // len(piece)))) >= 0


def test_links() -> None:
    """Links come in order and once, from HTML first; punctuation around a bare address is not part of it."""
    mail = read(
        b"Content-Type: multipart/alternative; boundary=q\r\n\r\n--q\r\n\r\n"
        b"Go to https://example.com/a?x=1&y=2. Or (see https://en.example/wiki/A_(b)), "
        b"<https://example.com/c>!\r\n"
        b"--q\r\nContent-Type: text/html\r\n\r\n<a href=' https://example.com/a?x=1&amp;y=2 '>a</a><a name=x>"
        b"<area href=mailto:x@example.com>\r\n--q--"
    )
    assert find_links(mail) == [
        "https://example.com/a?x=1&y=2",
        "mailto:x@example.com",
        "https://en.example/wiki/A_(b)",
        "https://example.com/c",
    ]


@pytest.mark.parametrize(
    ("body", "codes"),
    [
        ("Your code is 123456.", ["123456"]),
        ("Your one-time code:\n\n    493-201\n", ["493201"]),
        ("493 201 is your Shop verification code", ["493201"]),
        ("Use code AB12-CD34 now", ["AB12-CD34"]),
        ("Passcode: G7K2M9", ["G7K2M9"]),
        ("PIN 4711", ["4711"]),
        ("Invoice 4711 of 2026-11-03, total 1234.50, call +49 30 123456", []),
        ("code https://example.com/123456", []),
        ("Copyright 2026", []),
        ("", []),
    ],
)
def test_codes(body: str, codes: list[str]) -> None:
    """One-time codes are found beside the words that announce them; other numbers are not codes."""
    assert find_codes(read(b"Subject: Hello\r\n\r\n" + body.encode())) == codes
    assert find_codes(read(b"Content-Type: text/html\r\n\r\n<p>" + body.encode() + b"</p>")) == codes


@pytest.mark.parametrize(
    ("html", "found"),
    [
        ("<img src=https://x.example/1 srcset='//x.example/2 2x, local.png'>",
         ["img src https://x.example/1", "img srcset //x.example/2"]),
        ("<style>@import 'https://x.example/1'; a { b: url( \"https://x.example/2\" ) }</style>",
         ["style sheet https://x.example/1", "style sheet https://x.example/2"]),
        ("<p style='background:image-set(\"https://x.example/1\" 1x)'>", ["p style https://x.example/1"]),
        ("<meta http-equiv=refresh content='0; url=https://x.example/1'>", ["meta refresh https://x.example/1"]),
        ("<iframe srcdoc='<img src=//x.example/1>'>", ["img src //x.example/1"]),
        ("<svg><use xlink:href=//x.example/1 /><a href=//x.example/2>", ["use xlink:href //x.example/1"]),
        ("<form action=//x.example/1><a ping=//x.example/2 href=//x.example/3>",
         ["form action //x.example/1", "a ping //x.example/2"]),
        ("<img src=cid:logo><img src=data:image/png,x><img src=x.png><a href=https://x.example>", []),
        ("<img src=//x.example/1><img src=//x.example/1>", ["img src //x.example/1"]),
        ("<script>fetch('https://x.example/1'); new WebSocket('ws://x.example/2')</script>",
         ["script https://x.example/1", "script ws://x.example/2"]),
        ("<b onclick=\"open('https://x.example/1')\">", ["b onclick https://x.example/1"]),
        ("<img src=\"data:image/svg+xml,%3Csvg%3E<image href='https://x.example/1'/>\">",
         ["image href https://x.example/1"]),
    ],
)  # fmt: skip
def test_remote_references(html: str, found: list[str]) -> None:
    """What would be loaded from elsewhere is listed once, with how; links and inline images are not."""
    assert [f"{reference.how} {reference.url}" for reference in find_remote(html)] == found


def test_references_are_bounded() -> None:
    """A mail with a hundred thousand images lists the first thousand."""
    assert len(find_remote("".join(f"<img src=//x.example/{n}>" for n in range(5_000)))) == 1_000


@pytest.mark.parametrize("kind", ["srcdoc", "svg"])
def test_documents_within_documents_are_bounded(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of them, each in an attribute of the one before, are no more work than a few: none is an error."""

    def nested(levels: int) -> str:
        html = "<img src=//x.example/1>"
        for _ in range(levels):
            if kind == "srcdoc":
                html = f'<iframe srcdoc="{escape(html)}"></iframe>'
            else:
                html = f"<image href='data:image/svg+xml,{quote(html, safe=' =/:;,')}'/>"
        return html

    read: list[int] = []

    def counted(html: str) -> Iterator[Tag]:
        read.append(len(html))
        return read_tags(html)

    monkeypatch.setattr(references, "read_tags", counted)
    assert len(find_remote(nested(3))) == 1
    read.clear()
    deep = nested(500)
    assert find_remote(deep) == []
    assert sum(read) <= 4 * len(deep)


def test_plain_text() -> None:
    """The words of HTML, without tags, styles and scripts."""
    assert words_of_html("<style>a{}</style><p>Hi&nbsp;<b>you</b><script>x</script>!") == "Hi you !"


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("&#65;&#x41;&amp;", "AA&"),
        (f"&#{'9' * 5_000};", "\ufffd"),
        (f"&#{'0' * 5_000}65;", "A"),
        (f"&#{'0' * 5_000};", "\ufffd"),
        ("&#000000065", "A"),
    ],
)
def test_character_references_of_any_length(html: str, text: str) -> None:
    """A number of any length is decoded or replaced, in text and in attributes; it is never an error."""
    assert words_of_html(html) == text
    assert next(read_tags(f"<a title='{html}'>")).attributes["title"] == text


def test_links_far_down_are_not_looked_for() -> None:
    """Links are looked for in the first two million characters of text and HTML."""
    words = "word " * 400_000
    late = read(f"Subject: x\r\n\r\nhttps://early.example {words} https://late.example".encode())
    assert find_links(late) == ["https://early.example"]
