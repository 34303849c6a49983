"""The checks: each finds its fault and only its fault."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from modernmail.lint import Finding, html_support, lint
from modernmail.lint.css import read_css
from modernmail.lint.features import find_features
from modernmail.lint.support import _data
from modernmail.lint.update import compact, update
from modernmail.reading import read

if TYPE_CHECKING:
    from pathlib import Path

HEADER = (
    b"From: Shop <shop@example.com>\r\nTo: zoe@example.net\r\nSubject: Hi\r\n"
    b"Date: Tue, 03 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@mail.example.com>\r\nMIME-Version: 1.0\r\n"
)
TEXT = HEADER + b"\r\nHello\r\n"


def page(html: str, header: bytes = HEADER, inline: bytes = b"") -> bytes:
    """A mail with a text and an HTML part, and perhaps an inline part."""
    return (
        header
        + b"Content-Type: multipart/alternative; boundary=q\r\n\r\n--q\r\n\r\nHello\r\n"
        + b"--q\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
        + html.replace("\n", "\r\n").encode()
        + b"\r\n"
        + inline
        + b"--q--\r\n"
    )


def checks(findings: list[Finding]) -> list[str]:
    """The names of the checks, without what clients support."""
    return [finding.check for finding in findings if not finding.check.startswith("support-")]


@pytest.mark.parametrize(
    "content",
    [
        TEXT,
        page("<p>Hello</p>"),
        page(
            "<img src=cid:a alt=x>",
            inline=(b"--q\r\nContent-Type: image/png\r\nContent-ID: <a>\r\n\r\nPNG\r\n"),
        ),
    ],
)
def test_good_mail_has_no_findings(content: bytes) -> None:
    """A mail as it should be gets no finding, with its envelope too."""
    assert checks(lint(content)) == []
    assert (
        checks(lint(read(content), return_path="bounces@mail.example.com", recipients=["zoe@example.net"]))
        == []
    )


@pytest.mark.parametrize(
    ("content", "check", "severity", "told"),
    [
        (TEXT.replace(b"From: Shop <shop@example.com>\r\n", b""), "no-from", "error", "no From"),
        (TEXT.replace(b"Date: Tue,", b"X: Tue,"), "no-date", "error", "There is no Date"),
        (TEXT.replace(b"Date: Tue, 03", b"Date: someday, 3x"), "no-date", "error", "'someday, 3x Nov"),
        (TEXT.replace(b"Message-ID", b"X-ID"), "no-message-id", "warning", "no Message-ID"),
        (TEXT.replace(b"Subject: Hi", b"Subject: "), "no-subject", "warning", "empty"),
        (b"Subject: Hi\r\n" + TEXT, "repeated-field", "error", "Subject stands 2 times"),
        (TEXT.replace(b"Hi", "Hï".encode()), "raw-8bit-header", "warning", "SMTPUTF8"),
        (TEXT.replace(b"1@mail.example.com", b"1@host.local"), "message-id-domain", "info", "of host.local"),
        (TEXT + b"x" * 999, "long-line", "error", "Line 9 has 999 octets"),
        (TEXT + b"bare\nline", "bare-line-end", "error", "Line 9 ends in a bare"),
        (TEXT + b"a\0b", "nul", "error", "position"),
        (HEADER + b"Content-Type: multipart/mixed\r\n\r\nx", "broken-mime", "error", "structure"),
        (HEADER + b"Content-Type: text/plain; charset=x-no\r\n\r\n\xe9", "broken-mime", "error", "structure"),
        (HEADER + b"Content-Type: text/html\r\n\r\n<p>Hi</p>", "no-text", "warning", "no text part"),
        (page("é" * 60_000 + "\n" * 200), "html-size", "warning", "118 kB"),
        (page("a\n" * 30_000), "html-size", "info", "88 of the 102 kB"),
        (page("<img src=cid:logo%40x alt=''>"), "broken-cid", "error", "not in the mail"),
        (page("<p>", inline=b"--q\r\nContent-ID: <a>\r\n\r\nx\r\n"), "unused-cid", "info", "does not show"),
        (page("<a href='http://localhost:8000/x'>"), "localhost", "error", "this machine"),
        (page("<img alt='' src='https://shop.test/x'>"), "localhost", "error", "test name"),
        (page("<a href='http://[::1'>http://127.0.0.1/"), "plain-http", "warning", "plain http"),
        (page("<a href='#'>a</a><a href=''>b</a>"), "empty-link", "warning", "2 links lead nowhere"),
        (page("<img src=https://example.com/x.png>"), "no-alt", "warning", "An image has no alt"),
        (TEXT.replace(b"Subject", b"Precedence: bulk\r\nSubject"), "no-list-unsubscribe", "error", "says"),
        (
            TEXT.replace(b"Subject", b"List-Id: <a.example>\r\nFeedback-ID: x\r\nSubject"),
            "no-list-unsubscribe",
            "error",
            "List-Id and Feedback-ID",
        ),
        (
            TEXT.replace(b"Subject", b"List-Unsubscribe: <https://example.com/u>\r\nSubject"),
            "no-one-click",
            "warning",
            "RFC 8058",
        ),
    ],
)
def test_each_fault_is_found(content: bytes, check: str, severity: str, told: str) -> None:
    """A fault gives its finding, with its severity and the place or the number."""
    findings = {finding.check: finding for finding in lint(content)}
    assert check in findings, findings
    assert findings[check].severity == severity
    assert told in findings[check].message


def test_the_envelope_is_compared() -> None:
    """A return path of another domain is found, a null path and a subdomain are not."""
    assert checks(lint(TEXT, return_path="x@sender.example.net")) == ["return-path-domain"]
    assert checks(lint(TEXT, return_path="")) == []
    assert checks(lint(TEXT, return_path="x@bounce.example.com")) == []


def test_findings_are_sorted_and_bounded() -> None:
    """The gravest come first; a finding with a hundred places shows twenty lines."""
    findings = lint(page("\n".join(f"<img src=cid:{number}>" for number in range(100))))
    assert [finding.severity for finding in findings[:2]] == ["error", "warning"]
    assert len(findings[0].details) == 20
    assert findings[0].details[-1] == "and 81 more"
    assert json.loads(json.dumps(findings[0].to_dict()))["check"] == "broken-cid"


@pytest.mark.parametrize(
    "content", [b"", b"\0", b"\r\n" * 3, b"Content-Type: text/html\r\n\r\n<", b"\xff" * 50]
)
def test_anything_can_be_checked(content: bytes) -> None:
    """No mail makes a check fail."""
    assert lint(content)


@pytest.mark.parametrize(
    ("html", "slugs"),
    [
        ("<p style='display:flex; gap: 1em'>", ["css-display-flex", "css-gap", "css-unit-em"]),
        (
            "<style>@media (prefers-color-scheme: dark) { .a > b:hover { a: rgb(1,2,3) } }</style>",
            [
                "css-at-media",
                "css-at-media-prefers-color-scheme",
                "css-selector-child",
                "css-selector-class",
                "css-pseudo-class-hover",
                "css-rgb",
            ],
        ),
        (
            "<style>@import url(x); a::before{--x: calc(1px + 2vw)} @font-face {src: url(x)}</style>",
            [
                "css-at-import",
                "css-pseudo-element-before",
                "css-unit-calc",
                "css-variables",
                "css-unit-px",
                "css-unit-vw",
                "css-at-font-face",
            ],
        ),
        (
            "<h2 align=left><input type=Radio><input><button><ul><section><map name=a>",
            [
                "html-h1-h6",
                "html-align",
                "html-input-radio",
                "html-input-text",
                "html-button-submit",
                "html-lists",
                "html-semantics",
                "html-image-maps",
            ],
        ),
        (
            "<img src='data:image/svg+xml,x'><img src='//x.example/a.JPEG?x'><img src=b.tif loading=lazy>",
            ["image-base64", "image-svg", "image-jpg", "image-tiff", "html-loading-attribute"],
        ),
        (
            "<a href=#top></a><a href='MAILTO:x'></a><meta name=color-scheme>",
            ["html-anchor-links", "html-mailto-links", "html-meta-color-scheme"],
        ),
        (
            "<p style='display: none !important; width: fit-content'>",
            ["css-display-none", "css-important", "css-width", "css-intrinsic-size"],
        ),
    ],
)
def test_features(html: str, slugs: list[str]) -> None:
    """Elements, attributes, properties, values, selectors, at-rules and images are known by their names."""
    found = find_features(html, frozenset(_data()["features"]))
    assert set(slugs) <= set(found)


def test_support() -> None:
    """The features that clients lack are listed, least supported first, with the clients and the data's date."""
    support = html_support("<p style='display: grid; color: red'><svg></svg></p>")
    assert [feature.slug for feature in support.features][:2] == ["html-svg", "css-display-grid"]
    grid = support.features[1]
    assert "Outlook, Windows" in grid.lacking
    assert grid.url == "https://www.caniemail.com/features/css-display-grid/"
    assert 0 < grid.share < 1
    assert 0 < support.share < 1
    assert support.date >= "2025-09-09"
    assert html_support("").share == 1
    finding = next(f for f in lint(page("<video></video>")) if f.check == "support-html-video")
    assert finding.severity == "warning"
    assert "Outlook, Windows" in (*finding.details, *html_support("<video>").features[0].lacking)


def test_long_html_is_checked_in_part() -> None:
    """Of HTML the first million characters are looked at, and a finding says so."""
    words = "<b>word</b>\n" * 100_000
    early, late = (checks(lint(page(html))) for html in (f"<img src=x>{words}", f"{words}<img src=x>"))
    assert "html-not-checked" in early
    assert "html-not-checked" in late
    assert "no-alt" in early
    assert "no-alt" not in late
    assert "html-not-checked" not in checks(lint(page(words[:900_000])))


def test_css_is_cut_in_one_pass() -> None:
    """Comments, strings and brackets hold no rules; what is not closed is read to its end."""
    rules = read_css("a{b:url(x;{}) ;c:'};'}/* d{e:f} */@media(x){g{h:i}}@charset \"u\";j:k")
    assert [tuple(rule) for rule in rules] == [
        ("selector", "", "a"),
        ("declaration", "b", "url(x;{})"),
        ("declaration", "c", "'};'"),
        ("at", "media", ""),
        ("selector", "", "g"),
        ("declaration", "h", "i"),
        ("at", "charset", '"u"'),
        ("declaration", "j", "k"),
    ]
    for piece in ("a{", "/*", "('", '"', '"\\\\', "(", "a:b;"):
        assert sum(1 for _ in read_css(piece * (2**19 // len(piece)))) >= 0


def test_the_data_is_made_from_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Update keeps the latest result of each client, the date and the licence."""
    source = {
        "last_update_date": "2026-01-02 03:04:05 +0000",
        "nicenames": {"family": {"a": "A Mail"}, "platform": {"ios": "iOS"}},
        "data": [
            {"slug": "x", "title": "X ", "stats": {"a": {"ios": {"1": "n", "2": "y #1"}}}},
            {"slug": "w", "title": "W", "stats": {"b": {"web": {"1": "a"}}}},
        ],
    }
    made = compact(source)
    assert made["clients"] == ["A Mail, iOS", "b, web"]
    assert made["features"] == {"w": ["W", "-a"], "x": ["X", "y-"]}
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "caniemail.json").write_text(json.dumps(source))
    (tmp_path / "LICENSE").write_text("MIT")
    monkeypatch.setattr("modernmail.lint.update._HERE", tmp_path)
    update(tmp_path)
    assert json.loads((tmp_path / "caniemail.json").read_text()) == made
    assert (tmp_path / "caniemail-LICENSE.txt").read_text() == "MIT"
