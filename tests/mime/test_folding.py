"""Header fields on the wire: folded where it is legal, encoded where it must be, read back as they were."""

from __future__ import annotations

import email
import re

import pytest
from budget import in_both_runs
from hypothesis import example, given
from hypothesis import strategies as st
from mail import second, standard, standard_mailboxes, wire
from samples import mail

from modernmail import Address, Attachment

_WORD = re.compile(r"=\?utf-8\?[bq]\?[^?]*\?=")
TEXT = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u2028\u2029"), max_size=300
)
WORDS = st.lists(
    st.text("abcXYZ019.,;:!?=_-()<>@[]\\\"'/äßé日本😀", min_size=1, max_size=90), min_size=1, max_size=12
).map(" ".join)


def field(octets: bytes, name: str) -> str:
    """Return a whole field as it stands, folds included."""
    head = octets.partition(b"\r\n\r\n")[0].decode("utf-8")
    found = [one for one in re.split(r"\r\n(?![ \t])", head) if one.lower().startswith(f"{name.lower()}:")]
    assert len(found) == 1
    return found[0]


def check_lines(text: str) -> None:
    """Assert that each line has at most 78 characters, or holds one piece that nothing may fold; 76 with an encoded-word."""
    for at, line in enumerate(text.split("\r\n")):
        inside = line.partition(": ")[2] if not at else line[1:]
        assert len(line) <= 78 or " " not in inside.strip(), line
        assert len(line) <= 76 or _WORD.search(line) is None, line  # RFC 2047 2
        assert len(line.encode()) <= 998
        assert line.strip()


@in_both_runs
@given(TEXT | WORDS)
@example("=?utf-8?q?a?=")
@example("a  b" * 30)
@example("x" * 2000)
@example(("é" * 60 + " ") * 4)
@example("word " * 40 + "é")
@example("é " + "word " * 40)
@example("\u00a0")
def test_a_subject_is_read_back(run: str, subject: str) -> None:
    """Any text is read back exactly by both parsers, blanks at its ends aside; lines and encoded-words fit."""
    octets = wire(mail(subject=subject))
    expected = subject.strip(" \t")
    if not expected:
        return
    written = field(octets, "Subject")
    check_lines(written)
    assert all(len(word) <= 75 for word in _WORD.findall(written))
    decoded = email.header.make_header(
        email.header.decode_header(written.partition(":")[2].replace("\r\n", "").strip())
    )
    assert str(decoded) == expected
    assert str(standard(octets)["Subject"]) == expected
    assert second(octets).headers["Subject"] == [expected]


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        (f"{'a' * 60}  {'b' * 12}", f"{'a' * 60} =?utf-8?q?_{'b' * 12}?="),
        (f"{'a' * 60}   {'b' * 12}", f"{'a' * 60} =?utf-8?q?_?= {'b' * 12}"),
    ],
)
def test_no_encoded_word_is_empty(subject: str, expected: str) -> None:
    """A run of blanks is encoded with a word beside it: Evolution and MIME::tools show an empty one (RFC 2047 2) as it stands."""
    octets = wire(mail(subject=subject))
    assert field(octets, "Subject").replace("\r\n", "") == f"Subject: {expected}"


@pytest.mark.parametrize("blanks", ["  ", "   ", "\t", " \t "])
def test_runs_of_blanks_are_encoded_where_servers_close_them_up(blanks: str) -> None:
    """Dovecot makes one space of them in the subject and in names that it tells its clients; other fields stay readable."""
    text = f"a{blanks}b"
    octets = wire(mail(subject=text, headers={"X-A": text}), "X-A")
    assert "=?utf-8?" in field(octets, "Subject")
    assert re.search(r"\s\s|\t", field(octets, "Subject")) is None
    assert field(octets, "X-A") == f"X-A: {text}"
    if "\t" not in text:
        octets = wire(mail(to=[Address(name=text, addr_spec="to@example.com")]))
        assert field(octets, "To") == f"To: =?utf-8?q?a{'_' * len(blanks)}b?= <to@example.com>"


@in_both_runs
@given(TEXT)
@example("é" * 200)
@example("é" + "日本" * 100)
@example("👩‍👩‍👧‍👦" * 20)
@example("1é" + "日本" * 100)
def test_base64_is_padded_at_the_end_alone(run: str, text: str) -> None:
    """Of neighbouring encoded-words in base64 only the last is padded: GMime joins them and drops what stands behind."""
    octets = wire(mail(subject=text, to=[Address(name=text, addr_spec="to@example.com")]))
    assert not re.search(rb"=\?=\r\n =\?utf-8\?b", octets)


@in_both_runs
@given(
    WORDS | TEXT,
    st.sampled_from(["X", "X-Campaign", "X-A-Very-Long-Name-Of-A-Header-Field-That-Is-Almost-A-Line"]),
)
def test_a_text_field_is_read_back(run: str, text: str, name: str) -> None:
    """An extra field is read back too, whatever the length of its name."""
    octets = wire(mail(headers={name: text}), name)
    written = field(octets, name)
    check_lines(written)
    assert str(standard(octets)[name]).strip() == text.strip(" \t").strip()


NAMES = TEXT | WORDS | st.text(' "\\,<>@()[];:.=?_aé', max_size=60)
LOCALS = st.from_regex(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]{1,20}(\.[a-z0-9]{1,10})?", fullmatch=True).filter(
    lambda local: "=?" not in local
)
MAILBOXES = st.builds(lambda name, local: Address(name=name, addr_spec=f"{local}@example.com"), NAMES, LOCALS)


@in_both_runs
@given(st.lists(MAILBOXES, min_size=1, max_size=8))
@example([Address(name="evil@attacker.example, x", addr_spec="to@example.com")] * 2)
@example([Address(name="Doe, " * 40, addr_spec="to@example.com")])
@example([Address(name="=?utf-8?q?=0ABcc:x?=", addr_spec="to@example.com")])
@example([Address(name="x" * 400, addr_spec="to@example.com")])
def test_mailboxes_are_read_back(run: str, addresses: list[Address]) -> None:
    """Names with whatever characters come back with their addresses, none more and none less; quotes survive folds."""
    octets = wire(mail(to=addresses))
    written = field(octets, "To")
    check_lines(written.replace('"  ', '"__') if "  " in written else written)
    for quoted in re.findall(r'"(?:[^"\\]|\\.)*"', written.replace("\r\n", "")):
        assert not _WORD.search(quoted)
    found = standard_mailboxes(octets, "To")
    assert [spec for _, spec in found] == [address.ascii_addr_spec for address in addresses]
    assert [name.strip() for name, _ in found] == [address.name.strip() for address in addresses]


@pytest.mark.parametrize(
    "name", ["Message-ID", "In-Reply-To", "References", "List-Unsubscribe", "List-Post", "List-Id"]
)
@pytest.mark.parametrize("size", [10, 70, 300, 900])
def test_structured_fields_fold_between_items_only(name: str, size: int) -> None:
    """Message-ids, URIs and list-ids are never encoded and never broken, however long."""
    one = f"<{'x' * size}@example.com>"
    items = [one]
    if name in ("In-Reply-To", "References"):
        items = [one] * 3
    elif name.startswith("List-") and name != "List-Id":
        items = [f"<https://example.com/{'u' * size}?a=1,2>", "<mailto:leave@example.com>"]
    separator = ", " if name.startswith("List-") else " "
    octets = wire(mail(headers={name: separator.join(items)}), name)
    written = field(octets, name)
    check_lines(written)
    assert "=?" not in written
    assert re.split(r",?\s+", written)[1:] == items


@in_both_runs
@given(
    st.text(
        st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u2028\u2029/\\"),
        min_size=1,
        max_size=200,
    )
)
@example("a" * 300)
@example("é" * 300)
@example('quo"te\\;.txt'.replace("\\", ""))
@example("=?utf-8?q?x?=.txt")
@example("%41'b*.txt")
@example("😀" * 40)
def test_a_file_name_is_read_back(run: str, name: str) -> None:
    """Any name comes back exactly from both parsers; no RFC 2231 section splits a character, lines fit."""
    octets = mail(attachments=[Attachment(name, b"x", "application/x-a")]).as_bytes()
    (part,) = standard(octets).iter_attachments()
    assert part["Content-Disposition"].params["filename"] == name  # get_filename() strips it
    (found,) = second(octets).attachments
    assert found.filename == name
    written = octets.decode().partition("Content-Disposition:")[2].partition("\r\n\r\n")[0]
    assert written.isascii()
    for line in written.split("\r\n"):
        assert len(line) <= 78
        value = line.strip(" ;").partition("=")[2].removeprefix("utf-8''")
        if "*" in line.partition("=")[0]:
            assert not re.match(r"%[89AB]", value), "a section begins inside a character"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a.txt", 'attachment; filename="a.txt"'),
        ("a b.txt", 'attachment; filename="a b.txt"'),
        ("é.txt", "attachment; filename*=utf-8''%C3%A9.txt"),
        ('a"b', "attachment; filename*=utf-8''a%22b"),
        ("x" * 65, f'attachment;\r\n filename="{"x" * 65}"'),
        ("日" * 17, f"attachment;\r\n filename*0*=utf-8''{'%E6%97%A5' * 6};"),
    ],
)
def test_how_file_names_are_written(value: str, expected: str) -> None:
    """A plain name that fits a line is quoted; one that many readers would misread goes by RFC 2231, in few sections."""
    octets = mail().attach(value, b"x").as_bytes()
    assert f"Content-Disposition: {expected}\r\n".encode() in octets


def test_parameters_of_media_types_are_read_back() -> None:
    """Parameters with blanks, quotes or other scripts come back as they were."""
    for value in ("REQUEST", "two words", 'a"b', "é", "x" * 200, "é" * 60):
        escaped = value.replace('"', '\\"')
        octets = mail().alternative("x", f'text/x-a; note="{escaped}"').as_bytes()
        part = list(standard(octets).iter_parts())[1]
        assert part.get_param("note") in (value, ("utf-8", "", value))
        assert part["Content-Type"].params["note"] == value
