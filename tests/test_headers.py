"""Headers: fields that a caller adds, checked when they are set."""

from __future__ import annotations

import copy
import email.header
import email.utils
from collections import UserString
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from budget import in_both_runs
from corpus import cases
from hypothesis import given
from hypothesis import strategies as st

from modernmail import Message
from modernmail.address import Address
from modernmail.errors import InvalidHeader
from modernmail.grammar.dates import date_time
from modernmail.headers import Headers

CASES = [case for case in cases("headers") if case.values[0]["name"].lower() != "subject"]


@pytest.mark.parametrize("row", [case for case in CASES if case.values[0]["expect"] == "roundtrip"])
def test_a_good_field_is_kept(row: dict[str, Any]) -> None:
    """What the corpus calls a field is kept as written, but for white space at its ends."""
    assert list(Headers([(row["name"], row["value"])])) == [(row["name"], row["value"].strip(" \t"))]


@pytest.mark.parametrize("row", [case for case in CASES if case.values[0]["expect"] == "reject"])
def test_a_bad_field_is_refused(row: dict[str, Any]) -> None:
    """What the corpus refuses raises an error that names the field and gives a reason."""
    with pytest.raises(InvalidHeader) as caught:
        Headers({row["name"]: row["value"]})
    assert caught.value.argument.startswith("headers")
    assert len(caught.value.reason) > 5


@pytest.mark.parametrize("row", [case for case in CASES if case.values[0]["expect"] == "single"])
def test_a_field_that_stands_once(row: dict[str, Any]) -> None:
    """A field that may stand once is refused the second time, whatever its letter case, or at all."""
    with pytest.raises(InvalidHeader):
        Headers([(row["name"], row["value"]), (row["name"].swapcase(), row["value"])])


@pytest.mark.parametrize("row", [case for case in CASES if "_or_" in case.values[0]["expect"]])
def test_a_doubtful_field_is_refused_or_kept(row: dict[str, Any]) -> None:
    """What may be refused is refused, or kept exactly."""
    try:
        headers = Headers([(row["name"], row["value"])])
    except InvalidHeader:
        return
    assert list(headers) == [(row["name"], row["value"])]


@in_both_runs
@given(st.text(max_size=80), st.text())
def test_what_is_kept_has_one_line_and_a_token(run: str, name: str, value: str) -> None:
    """Whatever is passed, a kept field has a name of printable ASCII without colon, and one line of value."""
    try:
        headers = Headers([(name, value)])
    except InvalidHeader:
        return
    ((kept_name, kept_value),) = headers
    assert kept_name == name
    assert all("!" <= char <= "~" and char != ":" for char in name)
    assert kept_value == value.strip(" \t")
    assert len(kept_value.splitlines()) <= 1
    assert not any((char < " " and char != "\t") or char == "\x7f" for char in kept_value)
    kept_value.encode()


def test_order_and_letter_case() -> None:
    """Fields come in the order they were added; names are found whatever their letter case."""
    headers = Headers({"X-B": "1", "x-a": "2"})
    headers.add("X-C", "3")
    headers.add("x-b", "4")
    assert list(headers) == [("X-B", "1"), ("x-a", "2"), ("X-C", "3"), ("x-b", "4")]
    assert headers.get("x-B") == "1"
    assert headers.get_all("X-b") == ("1", "4")
    assert headers.get_all("X-D") == ()
    assert headers.get("X-D") is None
    assert headers.get("X-D", "none") == "none"
    assert "X-A" in headers
    assert "X-D" not in headers
    assert 5 not in headers
    assert len(headers) == 4


def test_set_replaces_in_place() -> None:
    """`set` takes the place of the first field of the name and drops the others; otherwise it adds."""
    headers = Headers([("X-A", "1"), ("X-B", "2"), ("x-a", "3")])
    headers.set("X-a", "4")
    headers.set("X-C", "5")
    assert list(headers) == [("X-a", "4"), ("X-B", "2"), ("X-C", "5")]
    headers.set("Message-ID", "<1@example.com>")
    headers.set("message-id", "<2@example.com>")
    assert headers.get_all("Message-ID") == ("<2@example.com>",)


def test_a_field_is_read_and_removed_by_name() -> None:
    """By subscript as in a dictionary, whatever the letter case; a name that is not there is a `KeyError`."""
    headers = Headers([("X-A", "1"), ("X-B", "2"), ("x-a", "3")])
    assert headers["x-A"] == "1"
    headers.remove("X-a")
    headers.remove("X-a")
    assert list(headers) == [("X-B", "2")]
    with pytest.raises(KeyError, match="X-A"):
        headers["X-A"]


def test_a_refused_field_changes_nothing() -> None:
    """After a refusal the headers are what they were."""
    headers = Headers({"Message-ID": "<1@example.com>"})
    for attempt in (headers.set, headers.add):
        with pytest.raises(InvalidHeader):
            attempt("Message-ID", "<2@example.com>\n")
    with pytest.raises(InvalidHeader, match="stands once"):
        headers.add("MESSAGE-ID", "<2@example.com>")
    assert list(headers) == [("Message-ID", "<1@example.com>")]


def test_copies_are_apart_and_equal() -> None:
    """A copy has the same fields and a life of its own; names are compared whatever their letter case."""
    headers = Headers({"X-A": "1"})
    for other in (headers.copy(), copy.copy(headers), Headers(headers), Headers({"x-a": "1"})):
        assert other == headers
        other.add("X-B", "2")
        assert other != headers
    assert len(headers) == 1
    assert headers != {"X-A": "1"}
    assert repr(headers) == "Headers([('X-A', '1')])"
    with pytest.raises(TypeError):
        hash(headers)


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        ("From", "from_email"),
        ("To", "to"),
        ("CC", "cc"),
        ("subject", "subject"),
        ("Reply-To", "reply_to"),
        ("Sender", "sender"),
        ("bcc", "bcc"),
        ("Return-Path", "return_path"),
    ],
)
def test_a_field_with_an_argument_names_it(name: str, argument: str) -> None:
    """A field that the message writes itself is refused with the argument to use."""
    with pytest.raises(InvalidHeader, match=rf"use the argument {argument}$"):
        Headers({name: "a@example.com"})


@pytest.mark.parametrize("value", [None, 1, b"text", ["a", "b"], email.header.Header("text"), object(), str])
def test_a_value_that_is_no_text_is_refused(value: object) -> None:
    """Numbers, bytes, lists and Header objects are no text."""
    with pytest.raises(InvalidHeader, match=r"headers\['X-A'\]: .* expected a str") as caught:
        Headers({"X-A": value})
    assert caught.value.value is value


@pytest.mark.parametrize("name", [None, 1, b"X-A", ("X",)])
def test_a_name_that_is_no_text_is_refused(name: Any) -> None:
    """The name of a field is a str."""
    with pytest.raises(InvalidHeader, match="the name of a header is a str"):
        Headers([(name, "x")])


@pytest.mark.parametrize("entries", ["text", b"bytes", 5, [("X-A",)], [("X-A", "1", "2")], ["ab"], {"X-A"}])
def test_what_is_no_mapping_is_refused(entries: Any) -> None:
    """Headers are made of a mapping or of pairs."""
    with pytest.raises(InvalidHeader, match="expected") as caught:
        Headers(entries)
    if isinstance(entries, (str, bytes)):
        assert caught.value.value == entries


class Sly(str):
    """A str that says one thing and holds another."""

    __slots__ = ()

    def __str__(self) -> str:
        return "innocent"

    def strip(self, *_: Any) -> str:  # noqa: D102
        return "innocent"


def test_a_subclass_of_str_counts_for_what_it_holds() -> None:
    """Methods of a str subclass smuggle nothing past the check, and lazy strings are checked as text."""
    for sly in (Sly("a\r\nBcc: evil@example.net"), UserString("a\r\nBcc: evil@example.net")):
        with pytest.raises(InvalidHeader, match="carriage return"):
            Headers({"X-A": sly})
        with pytest.raises(InvalidHeader, match="cannot stand in the name"):
            Headers([(sly, "v")])  # type: ignore[list-item]
    assert list(Headers({"X-A": UserString("lazy")})) == [("X-A", "lazy")]


def test_addresses_in_address_fields() -> None:
    """Fields of addresses take a str, an Address or a list, and go out with A-labels."""
    headers = Headers(
        {
            "Resent-To": '"Doe, J" <j@bücher.example>, b@example.com',
            "Resent-Cc": [Address("Zoë <z@example.com>"), "c@example.com"],
            "Disposition-Notification-To": Address("d@example.com"),
        }
    )
    assert headers.get("Resent-To") == '"Doe, J" <j@xn--bcher-kva.example>, b@example.com'
    assert headers.get("Resent-Cc") == "Zoë <z@example.com>, c@example.com"
    assert headers.get("Disposition-Notification-To") == "d@example.com"


@pytest.mark.parametrize(
    "value",
    [
        "",
        "a b",
        "a@example.com,",
        '"a',
        "g: a@example.com;",
        [],
        [None],
        5,
        "zoë@example.com",
        "a@example.com\r\nBcc: e@example.net",
    ],
)
def test_bad_addresses_in_address_fields(value: object) -> None:
    """What is no address is refused there too, and so is one that needs SMTPUTF8."""
    with pytest.raises(InvalidHeader, match=r"^headers\['Resent-To'\]"):
        Headers({"Resent-To": value})


@given(st.integers(-2_000_000_000, 250_000_000_000), st.integers(-14 * 60, 14 * 60))
def test_a_datetime_is_written_and_read_back(seconds: int, minutes: int) -> None:
    """An aware datetime becomes a Date that the standard library reads as the same moment, to the second."""
    aware = datetime.fromtimestamp(seconds, timezone(timedelta(minutes=minutes)))
    written = Headers({"Date": aware}).get("Date")
    assert written is not None
    assert email.utils.parsedate_to_datetime(written) == aware
    assert list(Headers({"Date": written})) == [("Date", written)]


def test_dates_that_are_odd() -> None:
    """A naive datetime is refused; an offset with seconds is written in UTC; other types are refused."""
    with pytest.raises(InvalidHeader, match="without a time zone"):
        Headers({"Date": datetime(2026, 1, 1)})  # noqa: DTZ001
    with pytest.raises(ValueError, match="without a time zone"):
        date_time(datetime(2026, 1, 1))  # noqa: DTZ001
    offset = timezone(timedelta(hours=1, seconds=1))
    assert (
        Headers({"Date": datetime(2026, 1, 1, 1, 0, 1, tzinfo=offset)}).get("Date")
        == "Thu, 01 Jan 2026 00:00:00 +0000"
    )
    with pytest.raises(InvalidHeader, match="expected a str"):
        Headers({"Date": datetime(2026, 1, 1, tzinfo=UTC).date()})
    with pytest.raises(InvalidHeader, match="expected a str"):
        Headers({"X-Date": datetime(2026, 1, 1, tzinfo=UTC)})


@pytest.mark.parametrize(
    "value", ["1 Jan 2026 00:00:00 GMT", "thu, 1 jan 2026 00:00 UT", "Thu,  1 Jan 2026  00:00:00 +0000 (UTC)"]
)
def test_dates_as_others_write_them(value: str) -> None:
    """GMT, a missing second, one digit for the day and a comment behind the zone are taken."""
    assert Headers({"Date": value}).get("Date") == value


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("Thu, 1 Jan 2026 00:00:00 EST", "not written as"),
        ("Thu, 1 Jan 2026 00:00:00 +00:00", "not written as"),
        ("Thu, 1 Jan 2026 00:00:00 +0099", "not written as"),
        ("Fri, 1 Jan 2026 00:00:00 +0000", "that day is a Thu"),
        ("30 Feb 2026 00:00:00 +0000", "no such moment"),
        ("1 Jan 2026 00:60:00 +0000", "no such moment"),
        ("1 Jan 2026 00:00:60 +0000", "no such moment"),
        ("1 Jan 26 00:00:00 +0000", "expected a date"),
        ("1 Jan 2026 0:00:00 +0000", "expected a date"),
        ("1 Jan 2026 00:00:00:00 +0000", "expected a date"),
        ("1 Jan ２０２６ 00:00:00 +0000", "expected a date"),
        ("1 Jan 2026", "expected a date"),
        ("(x)", "expected a date"),
        ("Thu, 1 Jan 2026 00:00:00 +0000 (" + "a" * 1000 + ")", "expected a date"),
        ("Thu, 1 Jan 2026" + " " * 1000 + "00:00:00 +0000", "expected a date"),
    ],
)
def test_dates_that_are_none(value: str, reason: str) -> None:
    """What is no date-time of RFC 5322 is refused with what is wrong."""
    with pytest.raises(InvalidHeader, match=reason):
        Headers({"Date": value})


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("Message-ID", "<a@b> <c@d>", "one <left@right>"),
        ("Message-ID", "<ab>", "left@right"),
        ("References", "<é@b>", "ASCII"),
        ("References", "<" + "a" * 1000 + "@b>", "fits no line"),
        ("List-Help", "<https://é>", "percent-encode"),
        ("List-Help", "https://a", "angle brackets"),
        ("List-Help", "<https://a> (open", "a comma stands"),
        ("List-Help", "(c) <https://a>, (d)", "angle brackets"),
        ("List-Help", "<https://a b>", "white space"),
        ("List-Help", "<https://a >", "white space"),
        ("List-Help", "<https:<>", "'<' stands"),
        ("List-Help", "<//a>", "scheme"),
        ("List-Help", "<1http://a>", "scheme"),
        ("List-Help", "<ht tp://a>", "scheme"),
        ("List-Help", "<https:" + "a" * 1000 + ">", "fits no line"),
        ("List-Help", "<https://a> (" + "a" * 1000 + ")", "fits no line"),
        ("List-Post", "NO (" + "a" * 1000 + ")", "fits no line"),
        ("List-Id", "a" + " \t" * 500 + "<a.b>", "fits no line"),
        ("List-Id", "a" + " " * 500 + "b" * 500 + " <a.b>", "fits no line"),
        ("List-Post", "NO (really) <mailto:a@b.example>", "NO stands alone"),
        ("List-Post", "NOBODY", "NO stands alone"),
        ("List-Post", "NO (open", "NO stands alone"),
        ("List-Id", "a.b", "written"),
        ("List-Id", "<a b>", "written"),
        ("List-Id", "<>", "written"),
        ("List-Id", "=?utf-8?q?a?= <a.b>", "looks like an encoded-word"),
        ("List-Id", "<" + "a" * 1000 + ">", "fits no line"),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-click", "nothing else"),
        ("X-" + "a" * 80, "v", "over 76"),
    ],
)
def test_structured_fields_say_what_is_wrong(name: str, value: str, reason: str) -> None:
    """A structured value that cannot be written is refused with its own reason."""
    with pytest.raises(InvalidHeader, match=reason):
        Headers({name: value})


def test_uris_with_comments() -> None:
    """Comments beside URIs are taken, as RFC 2369 shows them."""
    value = "(web) <https://example.com/u> (form), <mailto:u@example.com> (mail)"
    assert Headers({"List-Unsubscribe": value}).get("List-Unsubscribe") == value
    with_comma = "<https://example.com/u?a=1,2> (a form, on the web), <mailto:u@example.com>"
    message = Message(
        "x",
        from_email="me@example.com",
        headers={"List-Unsubscribe": with_comma, "List-Post": "NO (announcements,\tno more)"},
    )
    octets = message.as_bytes()
    assert b"<https://example.com/u?a=1,2> (a form, on the web),\r\n <mailto:u@example.com>\r\n" in octets
    assert b"List-Post: NO (announcements,\tno more)\r\n" in octets
