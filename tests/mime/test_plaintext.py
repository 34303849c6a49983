"""HTML as plain text: what a person sees, in a shape that plain text can have."""

from __future__ import annotations

import pytest
from budget import in_both_runs
from hypothesis import given
from hypothesis import strategies as st

from modernmail import Message
from modernmail.errors import InvalidMessage


def text_of(html: str) -> str:
    """Return the text that a message makes of its html, without its final newline."""
    return (Message(html=html).text_from_html().text or "").removesuffix("\n")


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("plain", "plain"),
        ("", ""),
        ("<p></p><div> </div>", ""),
        ("<p>one</p><p>two</p>", "one\n\ntwo"),
        ("<div>one</div><div>two</div>", "one\ntwo"),
        ("one<br>two<br/>three", "one\ntwo\nthree"),
        ("one<br><br><br><br>two", "one\n\ntwo"),
        ("  a \n\t b&nbsp;&nbsp; c ", "a b c"),
        ("a<b> b</b> <i> c</i>d", "a b cd"),
        ("x &lt; y &amp; z &euro; &#8364; &unknown;", "x < y & z € € &unknown;"),
        (f"x &#{'9' * 5000}; y &#{'0' * 5000}65;", "x \ufffd y A"),  # more digits than int() takes
        ("1 < 2 > 0", "1 < 2 > 0"),
        ("<h1>Title</h1>x<h2>Sub</h2>y<h3>Third</h3>z", "Title\n=====\n\nx\n\nSub\n---\n\ny\n\nThird\n\nz"),
        ("<h1>日本</h1>", "日本\n===="),
        ("<ul><li>a<li>b</ul>c", "- a\n- b\n\nc"),
        ("<ol><li>a<li>b</ol>", "1. a\n2. b"),
        ("<ol start=9><li>a<li>b</ol>", "9. a\n10. b"),
        ("<ul><li>a<ol><li>b<br>c</ol><li>d</ul>", "- a\n  1. b\n     c\n- d"),
        ("<ul><li><p>a</p><p>b</p></ul>", "- a\n\n  b"),
        ("<dl><dt>T<dd>D<dt>U<dd>E</dl>", "T\n  D\nU\n  E"),
        ("<p>a<blockquote>b<br>c<blockquote>d</blockquote></blockquote>e", "a\n\n> b\n> c\n>\n> > d\n\ne"),
        ("a<hr>b", "a\n\n" + "-" * 40 + "\n\nb"),
        ("<pre>\n  x\n    y\n\nz</pre>", "  x\n    y\n\nz"),
        ("<q>hi</q>", "“hi”"),
        ("a <img alt='Logo' src=x> b<img src=y>", "a Logo b"),
        ("<input type=submit value=Go>", "Go"),
        ("soft&shy;hyphen a&#8203;b &#847; &#65279;", "softhyphen ab"),
    ],
)
def test_what_becomes_of_each_element(html: str, expected: str) -> None:
    """Paragraphs, breaks, headings, lists, quotes, rules, images and entities keep their sense."""
    assert text_of(html) == expected


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<a href='https://e.com/a'>here</a>", "here [1]\n\n[1] https://e.com/a"),
        ("<a href=x>a</a> <a href=y>b</a> <a href=x>c</a>", "a [1] b [2] c [1]\n\n[1] x\n[2] y"),
        ("<a href='https://e.com/'>https://e.com</a>", "https://e.com"),
        ("<a href='mailto:a@e.com?subject=x'>a@e.com</a>", "a@e.com"),
        ("<a href='mailto:a@e.com'>write</a>", "write [1]\n\n[1] mailto:a@e.com"),
        ("<a href='#top'>up</a><a href='javascript:x()'>x</a><a href='tel:+49'>+49</a><a>y</a>", "upx+49y"),
        ("<a href='https://e.com'><img src=x></a>", ""),
        ("<a href='https://e.com'><img src=x alt=Shop></a>", "Shop [1]\n\n[1] https://e.com"),
        ("<a href='https://e.com/a b\n'>x<a href=z>y", "x [1]y [2]\n\n[1] https://e.com/ab\n[2] z"),
        ("<pre><a href=x>code</a></pre>", "code [1]\n\n[1] x"),
    ],
)
def test_links_become_notes(html: str, expected: str) -> None:
    """A link has a number, and its address stands at the end, once; one that shows its address needs none."""
    assert text_of(html) == expected


@pytest.mark.parametrize(
    "html",
    [
        "<style>no</style>seen", "<script>no</script>seen", "<title>no</title>seen", "<!-- no -->seen", "<!DOCTYPE no>seen",
        "<?php no ?>seen", "<textarea>no</textarea>seen", "<template>no</template>seen", "<p hidden>no</p>seen",
        "<div style='display:none'>no<div>no</div></div>seen", "<div style='DISPLAY : NONE !important'>no</div>seen",
        "<span style='visibility:hidden'>no</span>seen", "<p style='mso-hide:all'>no</p>seen",
        "<div style='max-height:0;overflow:hidden'>no</div>seen", "<div style='opacity:0.0'>no</div>seen",
        "<div style='height:0px; overflow:hidden'>no</div>seen", "<!--[if mso]><p>no</p><![endif]-->seen",
        "<!--[if !mso]><!-->seen<!--<![endif]-->", "<svg><text>no</text></svg>seen", "<select><option>no</select>seen",
        "<p hidden>no<p>seen", "<img style='display:none' alt=no>seen", "<table><tr><td hidden>no<td>seen</table>",
        "<video>no</video>seen", "<head><title>no</title></head><body>seen",
    ],
)  # fmt: skip
def test_what_a_person_does_not_see_stays_out(html: str) -> None:
    """Scripts, styles, comments, preheaders and hidden elements give no text."""
    assert text_of(html) == "seen"


@pytest.mark.parametrize(
    "style",
    [
        "font-size:0",
        "height:0",
        "opacity:0.5",
        "display:block",
        "color:red;;x",
        "max-height:10px;overflow:hidden",
    ],
)
def test_what_is_seen_stays_in(style: str) -> None:
    """Layout tricks that hide nothing hide nothing here."""
    assert text_of(f"<div style='{style}'>seen</div>") == "seen"


def test_tables_of_data_have_columns() -> None:
    """Short cells stand below each other, headings are underlined, wide characters count as two."""
    html = "<table><tr><th>Item<th>Price</tr><tr><td>Book 日本<td>9.50</tr><tr><td><p>Pen</p><td></tr></table>after"
    assert text_of(html).split("\n") == [
        "Item       Price",
        "---------  -----",
        "Book 日本  9.50",
        "Pen",
        "",
        "after",
    ]


def test_tables_of_layout_are_blocks() -> None:
    """Long or nested cells stand one below the other, in their order."""
    inner = "<table><tr><td>a</td><td>b</td></tr></table>"
    html = f"<table role=presentation><tr><td><p>{'word ' * 20}</p></td></tr><tr><td>{inner}</td><td>x<br>y</td></tr></table>"
    assert text_of(html) == "\n".join(["word " * 19 + "word", "", "a  b", "", "x", "y"])
    assert text_of("<td>cells<td>without<tr>table") == "cells\nwithouttable"


def test_a_message_makes_its_text() -> None:
    """text_from_html() sets text and returns the message; without html it says what is missing."""
    message = Message(html="<p>Hi")
    assert message.text_from_html() is message
    assert message.text == "Hi\n"
    with pytest.raises(InvalidMessage, match=r"^html"):
        Message("x").text_from_html()


@in_both_runs
@given(
    st.lists(
        st.sampled_from(
            [
                *("<", ">", "</", "<p", "<p>", "</p>", "<table>", "<td>", "</td>", "<tr>", "</table>", "<ul>", "<li>", "</ul>"),
                *("<a href=x>", "</a>", "<blockquote>", "</blockquote>", "<pre>", "</pre>", "<!--", "-->", "<style>", "</style>"),
                *("<h1>", "</h1>", "<div hidden>", "</div>", "&", "&amp;", " ", "\n", "word", "é", "<br>", "<q>", "</q>", "\0"),
                *("<ol start=x>", "</ol>", "<dd>", "\ud800"),
            ]
        ),
        max_size=40,
    ).map("".join)
)  # fmt: skip
def test_no_input_fails(run: str, html: str) -> None:
    """Whatever it is, it becomes text without tags, and lines without blanks at their ends."""
    text = text_of(html)
    assert all(line == line.rstrip() for line in text.split("\n"))


@pytest.mark.parametrize(
    "unit",
    [
        "<table><tr><td>x",
        "<blockquote>x",
        "<ul><li>x",
        "<dd>x",
        "<table><tr><td>a<td>b</table>",
        "<a href=x>y",
    ],
)
def test_the_text_grows_no_faster_than_the_html(unit: str) -> None:
    """What is nested without end gets no prefix without end."""
    assert len(text_of(unit * 1000)) <= 60_000
