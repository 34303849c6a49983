"""Mail merge: personal copies for a table of people, sharing all that is the same."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from mail import standard, wire
from samples import PNG, mail
from steps import counted

from modernmail import Address, Mailer, Message
from modernmail.errors import InvalidAddress, InvalidHeader, InvalidMessage, InvalidValue


def letter(**arguments: Any) -> Message:
    """Return a template."""
    return Message(
        **{
            "subject": "News for {name}",
            "text": "Dear {name}, {other} {name.x} {0} {} {{name}}\n",
            "html": "<style>p {color: red} b{margin:0}</style><p>Dear {name}</p>\n",
            "from_email": "me@example.org",
            **arguments,
        }
    )


def test_values_stand_where_their_column_is_named() -> None:
    """{column} becomes the value in text, html and subject; every other brace stays as it is."""
    (copy,) = letter().merge([{"to": "Zoë <zoe@example.com>", "name": "Zoë"}])
    assert copy.subject == "News for Zoë"
    assert copy.text == "Dear Zoë, {other} {name.x} {0} {} {Zoë}\n"
    assert copy.html == "<style>p {color: red} b{margin:0}</style><p>Dear Zoë</p>\n"
    assert copy.recipients == ("zoe@example.com",)
    wire(copy)


class Markup(str):
    """A string that says it is markup, as those of Django and Jinja do."""

    __slots__ = ()

    def __html__(self) -> str:
        """Return the markup."""
        return self


def test_values_are_escaped_in_html() -> None:
    """In html a value is text, unless it has __html__; in text and subject it is what it is."""
    template = letter(text="{a}{b}", html="{a}{b}", subject="{a}{b}")
    (copy,) = template.merge([{"to": "a@example.com", "a": '<b> & "x"', "b": Markup("<i>")}])
    assert copy.html == "&lt;b&gt; &amp; &quot;x&quot;<i>"
    assert copy.text == copy.subject == '<b> & "x"<i>'


def test_values_may_be_anything_that_has_a_text() -> None:
    """Numbers, addresses and lists are written as text, None as nothing; a value is never a template itself."""
    template = letter(text="{n}|{none}|{to}|{evil}|{many}", html=None, subject="{n}")
    (copy,) = template.merge(
        [{"to": Address("a@example.com"), "n": 5, "none": None, "evil": "{n}", "many": [1, 2]}]
    )
    assert (copy.text, copy.subject) == ("5||a@example.com|{n}|1, 2", "5")


def test_no_attribute_and_no_index_is_looked_up() -> None:
    """A template cannot reach into a value, whatever it tries."""

    class Secret:
        password = "hunter2"

        def __str__(self) -> str:
            return "shown"

    source = "{s} {s.password} {s[0]} {s!r} {s:>9} {s.__class__} {0.password}"
    (copy,) = letter(text=source, html=None, subject="x").merge([{"to": "a@example.com", "s": Secret()}])
    assert copy.text == "shown {s.password} {s[0]} {s!r} {s:>9} {s.__class__} {0.password}"


def test_a_row_may_give_subject_and_headers() -> None:
    """subject replaces the template's, literally; headers are added to it, or replace the same field."""
    template = letter(headers={"X-A": "1", "X-B": "2"})
    rows = [
        {
            "to": ["a@example.com", "b@example.com"],
            "subject": "To {name}",
            "headers": {"x-b": "3", "X-C": "4"},
            "name": "N",
        }
    ]
    (copy,) = template.merge(rows)
    assert copy.subject == "To {name}"
    assert list(copy.headers) == [("X-A", "1"), ("x-b", "3"), ("X-C", "4")]
    assert copy.recipients == ("a@example.com", "b@example.com")
    assert list(template.headers) == [("X-A", "1"), ("X-B", "2")]
    (copy,) = letter(text="{headers}").merge([{"to": "a@example.com", "headers": None, "name": ""}])
    assert copy.text == "{headers}"


def test_the_template_is_taken_when_merge_is_called() -> None:
    """What happens to the message afterwards shows in no copy; rows are taken one by one."""
    template, taken = letter(), []

    def rows() -> Any:
        for number in range(3):
            taken.append(number)
            yield {"to": f"a{number}@example.com", "name": str(number)}

    merge = template.merge(rows())
    template.subject = "changed"
    template.attach("late.txt", "x")
    assert taken == []
    first = next(merge)
    assert (first.subject, first.attachments, taken) == ("News for 0", (), [0])
    first.text = "changed too"
    assert [copy.text[:6] for copy in merge if copy.text] == ["Dear 1", "Dear 2"]


def test_all_that_is_the_same_is_encoded_once() -> None:
    """Copies share the octets of every part that does not differ, personal text or not."""
    html, pdf = "<p>Grüße</p>\n" * 2000, bytes(100_000)
    for text in ("same for all", "Dear {name}"):
        template = letter(text=text, html=html).embed("logo", PNG * 5000).attach("a.pdf", pdf)
        contents = [
            copy.parcel().content
            for copy in template.merge([{"to": f"a{n}@example.com", "name": n} for n in range(3)])
        ]
        large = [[piece.data for piece in content.pieces if len(piece.data) > 16384] for content in contents]
        assert len(large[0]) == 3
        for one, other in zip(large[0], large[2], strict=True):
            assert one is other
        assert [standard(bytes(content))["Subject"] for content in contents] == [
            "News for 0",
            "News for 1",
            "News for 2",
        ]


def test_a_row_costs_no_more_for_large_parts() -> None:
    """The steps for one more recipient do not depend on what is attached."""

    def steps(size: int) -> int:
        with counted() as steps_of:
            from modernmail import Message

            template = Message("News for {name}", "x", "y", from_email="shop@example.com")
            template.attach("a.pdf", bytes(size))
            merge = template.merge([{"to": f"a{n}@example.com", "name": n} for n in range(3)])
            next(merge).parcel()
            return steps_of(lambda: next(merge).parcel())

    assert abs(steps(100_000) - steps(1_000_000)) < 200


def test_files_are_streamed_in_copies_too(tmp_path: Any) -> None:
    """A path in the template is looked at for each copy, personal text or not."""
    path = tmp_path / "f.bin"
    path.write_bytes(b"x" * (2 << 20))
    for text in ("same", "Dear {name}"):
        copies = list(
            letter(text=text)
            .attach_file(path)
            .merge([{"to": f"a{n}@example.com", "name": n} for n in range(2)])
        )
        for number, copy in enumerate(copies):
            assert copy.parcel().content.is_streamed
            (part,) = standard(copy.as_bytes()).iter_attachments()
            assert part.get_payload(decode=True) == path.read_bytes()
            assert str(number) in copy.subject


def test_change_gives_full_control() -> None:
    """change(copy, row) may alter the copy or return another message."""

    def change(copy: Message, row: Any) -> Message | None:
        copy.attach("personal.txt", row["name"])
        return (
            Message("other", "x", from_email="me@example.org", to=row["to"]) if row["name"] == "B" else None
        )

    first, second = letter().merge(
        [{"to": "a@example.com", "name": "A"}, {"to": "b@example.com", "name": "B"}], change=change
    )
    assert [part.content for part in first.attachments] == [b"A"]
    assert (second.subject, second.attachments) == ("other", ())
    assert b"personal.txt" in first.as_bytes()


@pytest.mark.parametrize(
    ("row", "error", "argument"),
    [
        ({"to": "a@", "name": "x"}, InvalidAddress, "rows[1].to"),
        ({"to": "a@example.com, b@example.com", "name": "x"}, InvalidAddress, "rows[1].to"),
        ({"to": ["a@example.com", 5], "name": "x"}, InvalidAddress, "rows[1].to[1]"),
        ({"name": "x"}, InvalidMessage, "rows[1].to"),
        ({"to": "a@example.com"}, InvalidMessage, "rows[1].name"),
        ({"to": "a@example.com", "name": "x\nBcc: evil@example.net"}, InvalidHeader, "rows[1].subject"),
        ({"to": "a@example.com", "name": "x", "subject": "a\nb"}, InvalidHeader, "rows[1].subject"),
        (
            {"to": "a@example.com", "name": "x", "headers": {"Bcc": "b@example.com"}},
            InvalidHeader,
            "rows[1].headers['Bcc']",
        ),
        ({"to": "a@example.com", "name": "x", "headers": "X-A: b"}, InvalidHeader, "rows[1].headers"),
        (["no mapping"], InvalidMessage, "rows[1]"),
    ],
)
def test_a_bad_row_is_one_error_and_the_others_come(
    row: Any, error: type[InvalidValue], argument: str
) -> None:
    """The error names the row and the column; the rows behind it can still be taken."""
    good = {"to": "a@example.com", "name": "A"}
    merge = letter().merge([good, row, good])
    assert next(merge).subject == "News for A"
    with pytest.raises(error) as caught:
        next(merge)
    assert caught.value.argument == argument
    assert next(merge).subject == "News for A"
    assert list(merge) == []


def test_a_sending_goes_on_behind_a_bad_row() -> None:
    """send_many gives a receipt with the error for a bad row, and sends the others, sync and async."""
    rows = [
        {"to": "a@example.com", "name": "A"},
        {"to": "b@", "name": "B"},
        {"to": "c@example.com", "name": "C"},
    ]

    def judge(receipts: list[Any]) -> None:
        assert [receipt.accepted for receipt in receipts] == [("a@example.com",), (), ("c@example.com",)]
        assert isinstance(receipts[1].error, InvalidAddress)

    with Mailer("memory:") as mailer, mailer.send_many(letter().merge(rows)) as sending:
        judge(list(sending))

    async def many() -> list[Any]:
        async with Mailer("memory:") as mailer, mailer.asend_many(letter().merge(rows)) as sending:
            return [receipt async for receipt in sending]

    judge(asyncio.run(many()))

    def broken() -> Any:
        yield mail()
        raise InvalidAddress("to", "x", "a generator that raised is at its end")

    with Mailer("memory:") as mailer, mailer.send_many(broken()) as sending:
        assert next(iter(sending)).accepted
        with pytest.raises(InvalidAddress):
            next(iter(sending))


def test_a_row_may_have_its_headers_as_pairs() -> None:
    """As a message may: a name that stands more than once stays so."""
    pairs = [("X-Tag", "a"), ("X-Tag", "b"), ("X-A", "1")]
    message = letter(headers={"X-A": "0", "X-Tag": "old"})
    (copy,) = message.merge([{"to": "a@example.com", "name": "A", "headers": pairs}])
    assert list(copy.headers) == [("X-A", "1"), ("X-Tag", "a"), ("X-Tag", "b")]
    with pytest.raises(InvalidMessage, match=r"^change: 5: must be a function"):
        message.merge([], change=5)  # type: ignore[arg-type]


@pytest.mark.parametrize("rows", [None, "text", b"bytes", {"to": "a@example.com"}, 5])
def test_rows_are_an_iterable_of_mappings(rows: Any) -> None:
    """One mapping, a text or nothing is no table."""
    with pytest.raises(InvalidMessage, match=r"^rows"):
        letter().merge(rows)


def test_any_mapping_is_a_row() -> None:
    """Rows may be mappings of any kind, and the template any message, one that somebody else wrote too."""
    from types import MappingProxyType

    octets = b"From: a@example.com\nSubject: {name}\nX-A: 1\n\nDear {name}\n"
    (copy,) = Message.from_bytes(octets).merge([MappingProxyType({"to": "b@example.com", "name": "B"})])
    assert (copy.subject, copy.text, copy.recipients) == ("B", "Dear B\n", ("b@example.com",))
    assert b"Subject: B\r\n" in copy.as_bytes()
    assert list(letter().merge([])) == []
