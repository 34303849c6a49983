"""Reading: what the standard library can read is read the same, and what it cannot is still shown."""

from __future__ import annotations

import codecs
import pkgutil
import sys
from base64 import b64encode
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modernmail import Message
from modernmail.reading import read
from modernmail.reading.date import read_date
from modernmail.reading.mailboxes import read_mailboxes

_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=60)
_NAME = st.text(st.sampled_from("abcXYZ äé漢😀-_."), min_size=1, max_size=40).filter(str.strip)


@given(_TEXT, _TEXT, _TEXT, st.lists(st.tuples(_NAME, st.binary(max_size=300)), max_size=4))
def test_what_the_standard_library_writes_is_read(
    subject: str, text: str, html: str, files: list[tuple[str, bytes]]
) -> None:
    """Subject, bodies, file names and contents of an EmailMessage come back as they were put in."""
    message = EmailMessage(policy=SMTP)
    message["Subject"] = subject.strip()
    message["From"] = "Zoë <zoe@example.com>"
    message.set_content(text, cte="base64")
    message.add_alternative(html, subtype="html", cte="quoted-printable")
    for name, content in files:
        message.add_attachment(content, "application", "octet-stream", filename=f"{name}.bin")
    mail = read(message.as_bytes())
    assert " ".join(mail.subject.split()) == " ".join(message["Subject"].split())
    assert mail.text is not None
    assert mail.html is not None
    assert mail.text.rstrip("\n") == text.rstrip("\n")
    assert mail.html.rstrip("\n") == html.rstrip("\n")
    assert [(part.filename, part.content) for part in mail.attachments] == [
        (f"{name}.bin".lstrip(". "), content) for name, content in files
    ]
    assert mail.problems == ()


@given(st.binary(max_size=400))
def test_anything_can_be_read(content: bytes) -> None:
    """No bytes make reading raise, whatever is asked of them."""
    mail = read(
        b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n" + content + b"\r\n--a\r\n" + content
    )
    for part in mail.leaves:
        assert isinstance(part.text, str)
        assert isinstance(part.filename, str)
    assert isinstance(mail.problems, tuple)
    bare = read(content)
    assert isinstance(bare.subject + (bare.text or ""), str)
    assert isinstance(bare.mailboxes("To"), tuple)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"no header at all", "line 1 of the header is no field; what follows is read as body"),
        (b"Subject: x\r\nbroken\r\n\r\nbody", "line 2 of the header is no field"),
        (b"Content-Type: multipart/mixed\r\n\r\nx", "part 1 (multipart/mixed): no boundary"),
        (b'Content-Type: multipart/mixed; boundary="q"\r\n\r\nx', "its boundary 'q' does not occur"),
        (b"Content-Type: multipart/mixed; boundary=q\r\n\r\n--q\r\n\r\nx", "the closing boundary is missing"),
        (
            b"Content-Type: text/plain; charset=klingon\r\n\r\n\xe9",
            "the charset 'klingon' is unknown; read as Win",
        ),
        (b"Content-Type: text/plain; charset=zip\r\n\r\nx\xe9", "the charset 'zip' is unknown"),
        (b"Content-Type: text/plain; charset=idna\r\n\r\nx\xe9", "the charset 'idna' is unknown"),
        (b"Content-Type: text/plain; charset=utf-8\r\n\r\n\xe9", "not valid 'utf-8'; read as Windows-1252"),
        (b"Subject: x\r\n\r\n\xc3\xa9", "no charset is given; read as UTF-8"),
        (b"Content-Transfer-Encoding: base64\r\n\r\nYWI", "the base64 is cut short"),
        (b"Content-Transfer-Encoding: base64\r\n\r\nYW*Jj", "letters that are not base64 were left out"),
        (b"Content-Transfer-Encoding: rot13\r\n\r\nYW", "the transfer encoding 'rot13' is unknown"),
        (b"A: b\r\n" * 2_100 + b"\r\nbody", "more than 2,000 header fields"),
    ],
)
def test_problems_are_named(content: bytes, problem: str) -> None:
    """What is wrong with a mail is said, and its body is shown all the same."""
    mail = read(content)
    assert mail.text is not None
    assert any(problem in found for found in mail.problems), mail.problems


def test_ten_thousand_parts() -> None:
    """A mail of too many parts is shown as far as the limit, and says so."""
    part = b"--q\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\nx\r\n"
    mail = read(b"Content-Type: multipart/mixed; boundary=q\r\n\r\n" + part * 10_000 + b"--q--\r\n")
    assert len(mail.attachments) == 999
    assert mail.problems == ("more than 1,000 parts; the rest is left out",)


def test_nesting_is_bounded() -> None:
    """Multiparts in multiparts are opened to a depth, messages in messages not at all."""
    deep = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(5_000)
    )
    mail = read(deep + b"\r\nbottom")
    assert any("nested more than 30 deep" in problem for problem in mail.problems)
    nested = read(b"Content-Type: message/rfc822\r\n\r\n" * 5_000 + b"Subject: inner\r\n\r\nx")
    assert [part.media_type for part in nested.files] == ["message/rfc822"]


def test_large_hostile_mails_are_read_at_once() -> None:
    """Megabytes of false boundaries, of parameters, of quotes or of encoded-words are read in one pass."""
    megabyte = 2**20
    read(b"Content-Type: multipart/mixed; boundary=q\r\n\r\n" + b"--qx\r\n" * (megabyte // 6))
    read(b"Content-Type: multipart/mixed; boundary=q\r\n\r\n" + b"--q\r\n" * (megabyte // 6))
    assert read(b"Content-Type: text/plain" + b"; ;a" * (megabyte // 4)).root.media_type == "text/plain"
    assert read(b"Subject: " + b"=?utf-8?q?a" * (megabyte // 10)).subject
    assert read(b'To: "' + b'\\"<(' * (megabyte // 4)).mailboxes("To") is not None
    assert read(b"To: " + b"a@example.com," * (megabyte // 14)).mailboxes("To")
    assert read(b"\r\n" * megabyte).fields == []


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
@pytest.mark.parametrize("count", [1_999, 2_000, 2_001, 2_100])
def test_the_body_after_very_many_fields(end: bytes, count: int) -> None:
    """The body begins after the empty line, however many fields are left out before it."""
    mail = read((b"A: b" + end) * count + end + b"body" + end + end + b"more")
    assert mail.text == "body\n\nmore"
    assert len(mail.fields) == min(count, 2_000)
    assert any("more than 2,000 header fields" in problem for problem in mail.problems) == (count > 2_000)


def test_fields_that_are_left_out_cost_nothing() -> None:
    """A hundred times as many fields past the limit take no more steps of ours."""

    def steps_of(count: int) -> int:
        steps = 0

        def step(*_: object) -> None:
            nonlocal steps
            steps += 1

        content = b"A: b\r\n" * count + b"\r\nbody"
        sys.setprofile(step)
        try:
            read(content)
        finally:
            sys.setprofile(None)
        return steps

    assert steps_of(300_000) <= steps_of(3_000) + 100


def test_mbox_and_bare_line_feeds() -> None:
    """An mbox separator before the header is passed over, and lines may end in LF alone."""
    mail = read(b"From zoe Tue Nov  3\nSubject: a\n b\nTo: x@example.com\n\nline\nline\n")
    assert (mail.subject, mail.text, mail.problems) == ("a b", "line\nline\n", ())


def test_multipart_edges() -> None:
    """The line end before a boundary is the boundary's; preamble, epilogue and lookalikes are no parts."""
    mail = read(
        b'Content-Type: MULTIPART/Mixed; boundary="a b"\r\n\r\npreamble\r\n--a b \t\r\n\r\none\r\n\r\n'
        b"--a bc\r\n\r\n--a b\r\nContent-Type: text/html\r\n\r\ntwo\r\n--a b\r\n--a b--\r\n"
        b"--a b\r\n\r\nepilogue"
    )
    assert [part.raw for part in mail.leaves] == [b"one\r\n\r\n--a bc\r\n", b"two", b""]
    assert [part.path for part in mail.root.walk()] == ["", "1", "2", "3"]
    assert mail.part("2") is mail.html_part
    assert mail.part("9") is None


def test_bodies_and_files() -> None:
    """The first text and HTML that are no files are the bodies; content-ids make inline parts."""
    mail = read(
        b"Content-Type: multipart/related; boundary=q\r\n\r\n"
        b"--q\r\nContent-Type: text/html\r\n\r\n<img src=cid:logo>\r\n"
        b'--q\r\nContent-Type: image/png; name="../../etc/l\\"o\xc3\xa9.png"\r\n'
        b"Content-ID: <logo>\r\n\r\nPNG\r\n"
        b"--q\r\nContent-Type: text/plain; name=notes.txt\r\n\r\nnotes\r\n"
        b"--q\r\nContent-Type: image/gif\r\nContent-ID: <x>\r\nContent-Disposition: attachment\r\n\r\n"
        b"GIF\r\n--q--"
    )
    assert (mail.text, mail.html) == (None, "<img src=cid:logo>")
    assert [(part.filename, part.content_id) for part in mail.inline] == [("l_oé.png", "logo")]
    assert [(part.filename, part.media_type) for part in mail.attachments] == [
        ("notes.txt", "text/plain"),
        ("", "image/gif"),
    ]


def test_a_text_that_was_cut_in_two() -> None:
    """What a phone writes before and behind a picture is one text; what calls itself a file is none of it."""
    mail = read(
        b"Content-Type: multipart/mixed; boundary=q\r\n\r\n"
        b"--q\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nabove\r\n"
        b"--q\r\nContent-Type: image/jpeg; name=a.jpg\r\nContent-Disposition: inline; filename=a.jpg\r\n\r\nJPG\r\n"
        b"--q\r\nContent-Type: text/plain\r\n\r\nbelow\r\n\r\n"
        b"--q\r\nContent-Type: text/plain\r\nContent-Disposition: inline\r\n\r\nfooter of a list\r\n"
        b"--q\r\nContent-Type: text/plain; name=b.txt\r\n\r\nfile\r\n--q--"
    )
    assert mail.text == "above\nbelow\n"
    assert [part.text for part in mail.files] == ["JPG", "footer of a list", "file"]
    message = Message.from_bytes(mail.content)
    assert message.text == mail.text
    assert len(message.attachments) == 3


def test_html_that_was_cut_in_two() -> None:
    """So it is with the HTML beside a text."""
    mail = read(
        b"Content-Type: multipart/alternative; boundary=q\r\n\r\n--q\r\n\r\ntext\r\n"
        b"--q\r\nContent-Type: multipart/mixed; boundary=r\r\n\r\n--r\r\nContent-Type: text/html\r\n\r\n<p>above</p>\r\n"
        b"--r\r\nContent-Type: image/png; name=a.png\r\n\r\nPNG\r\n"
        b"--r\r\nContent-Type: text/html\r\n\r\n<p>below</p>\r\n--r--\r\n--q--"
    )
    assert (mail.text, mail.html) == ("text", "<p>above</p>\n<p>below</p>")
    assert [part.filename for part in mail.files] == ["a.png"]


@pytest.mark.parametrize(
    ("parameters", "written", "text"),
    [
        ("", "one \ntwo\n From me\n", "one \ntwo\n From me\n"),
        ("; format=flowed", "one \ntwo\n From me\n", "one two\nFrom me\n"),
        ("; format=flowed", "> one \n> two\n>> three \n> four\n", "> one two\n>> three \n> four\n"),
        ("; format=flowed", "Bye \n-- \nZoë\n", "Bye \n-- \nZoë\n"),
        ("; Format=Flowed; DelSp=Yes", "日本 \n語\n\n >x\n", "日本語\n\n>x\n"),
        ("; format=flowed", "", ""),
        ("; format=flowed", "end \n", "end \n"),
    ],
)
def test_flowed_text(parameters: str, written: str, text: str) -> None:
    """Paragraphs that were cut into lines are whole again (RFC 3676); the part itself says what it holds."""
    mail = read(f"Content-Type: text/plain; charset=utf-8{parameters}\n\n{written}".encode())
    assert mail.text == text
    assert mail.root.text == written


@pytest.mark.parametrize(
    ("value", "subject"),
    [
        ("=?utf-8?q?a?= =?utf-8?q?b?=", "ab"),
        ("=?utf-8?b?4oI=?=\r\n =?utf-8?b?rA==?=", "€"),
        ("=?utf-8?q?a?= x =?utf-8?q?b?=", "a x b"),
        ("=?iso-8859-1?q?=E9?==?utf-8?q?=C3=A9?=", "éé"),
        ("=?utf-8*en?Q?caf=C3=A9_x?=", "café x"),
        ("=?utf-8?q?=0D=0ABcc:_x@example.com?=", "  Bcc: x@example.com"),
        ("=?nope?q?=E9?=", "é"),
        ("=?utf-8?q?open", "=?utf-8?q?open"),
        ("plain = text ?= =?", "plain = text ?= =?"),
        ("a\x00b\x07", "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_encoded_words(value: str, subject: str) -> None:
    """Encoded-words are decoded and joined; what they hide cannot make a second line."""
    assert read(f"Subject: {value}\r\n\r\n".encode()).subject == subject


@pytest.mark.parametrize(
    ("charset", "octets", "text"),
    [
        ("gb2312", b"\xd6\xec\xe9F\xbb\xf9", "朱镕基"),  # the second character is GBK's
        ("x-gbk", b"\xd6\xec", "朱"),
        ("big5", b"\xa4\xa4\xf9\xd8", "中裏"),
        ("x-x-big5", b"\xa4\xa4", "中"),
        ("ks_c_5601-1987", b"\xc7\xd1\x8cc", "한똠"),
        ("windows-949", b"\x8cc", "똠"),
        ("shift_jis", b"\x87@\xfb\xfc", "①髙"),
        ("windows-31j", b"\x87@", "①"),
        ("x-sjis", b"\x93\xfa", "日"),
        (
            "iso-2022-jp",
            b"\x1b$B-!F|\x1b(B\r\n\x1b(I1\x1b(B!",
            "①日\nｱ!",
        ),  # NEC's row 13, and half-width kana
        ("cp50220", b"\x1b$BF|\x1b(B", "日"),
        ("iso-8859-8-i", b"\xf9\xec", "של"),
        ("iso-8859-6-e", b"\xd3", "س"),
        ("windows-874", b"\xca", "ส"),
        ("tis-620", b"\x85\xca", "…ส"),
        ("x-mac-cyrillic", b"\x8f\xf0", "Пр"),
        ("x-mac-roman", b"\x8e", "é"),
        ("cp-850", b"\x82", "é"),
        ("X-CP1251", b"\xcf\xf0", "Пр"),
        ("iso8859-1", b"\x93x\x94", "“x”"),
        ("unicode-1-1-utf-7", b"Gr+APw-n", "Grün"),
    ],
)
def test_charsets_as_they_are_called(charset: str, octets: bytes, text: str) -> None:
    """A charset is known by the names that mail programs give it, and with what they write under those names."""
    word = b64encode(octets.replace(b"\r\n", b""))
    mail = read(
        b"Subject: =?%b?b?%b?=\r\nContent-Type: text/plain; charset=%b\r\n\r\n%b"
        % (charset.encode(), word, charset.encode(), octets)
    )
    assert (mail.text, mail.subject, mail.problems) == (text, text.replace("\n", ""), ())


def test_mailboxes_are_bounded() -> None:
    """However many fields name them: an index and a page have to hold them all."""
    mail = read(
        b"To: " + b"a@example.com, " * 3000 + b"\r\n" + (b"To: " + b"b," * 3000 + b"\r\n") * 20 + b"\r\n"
    )
    assert len(mail.mailboxes("To")) == 5000


@given(st.lists(st.binary(min_size=1, max_size=8), max_size=40), st.sampled_from(["", "\r\n", " ", "=\r\n="]))
def test_base64_in_pieces(pieces: list[bytes], between: str) -> None:
    """Content that was encoded piece by piece is read whole, however many there are and whatever blanks stand between."""
    octets = between.join([b64encode(piece).decode() for piece in pieces]).encode()
    head = b"Content-Type: application/x\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    mail = read(head + octets)
    assert mail.root.content == b"".join(pieces)
    assert mail.problems == ()


@pytest.mark.parametrize(
    ("octets", "content", "problem"),
    [
        (b"YQ==YQ==Y", b"aa", "cut short"),
        (b"YQ==Y=YQ==", b"aa", "cut short"),
        (b"YQ==YQ", b"aa", "cut short"),
        (b"YQ==\x0bYQ==", b"aa", "left out"),
        (b"-YQ==YQ==", b"aa", "left out"),
    ],
)
def test_base64_in_pieces_that_are_broken(octets: bytes, content: bytes, problem: str) -> None:
    """What can be read is, and what was wrong is said."""
    mail = read(b"Content-Type: application/x\r\nContent-Transfer-Encoding: base64\r\n\r\n" + octets)
    assert mail.root.content == content
    assert [problem in said for said in mail.problems] == [True]


def test_charsets_that_nobody_knows_leave_nothing_behind() -> None:
    """A mail may think of a name for each word: none is looked for among the modules of Python, which keeps it for ever."""
    encodings: Any = sys.modules["encodings"]
    names = [f"x{number}-klingon" for number in range(500)]
    words = "".join(f" =?{name}?q?a?=" for name in names)
    kept = len(encodings._cache)
    assert read(f"Subject:{words}\r\n\r\n".encode()).subject.replace(" ", "") == "a" * len(names)
    assert len(encodings._cache) == kept


def test_every_charset_of_python_is_known() -> None:
    """All codecs of this Python for text are, by the names of their modules, but for those that are none of mail."""
    for name in [module.name for module in pkgutil.iter_modules(sys.modules["encodings"].__path__)]:
        try:
            is_text = codecs.lookup(name)._is_text_encoding
        except LookupError:
            continue
        mail = read(f"Content-Type: text/plain; charset={name}\r\n\r\nx".encode("ascii"))
        assert mail.text is not None
        is_unknown = any("is unknown" in problem for problem in mail.problems)
        assert is_unknown == (not is_text or name in NO_CHARSETS), name


NO_CHARSETS = (
    "charmap", "idna", "mbcs", "oem", "palmos", "punycode", "raw_unicode_escape", "undefined", "unicode_escape",
)  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "html", "said"),
    [
        ("text/html", b'<meta charset="koi8-r"><p>\xf0', "П"),
        ("text/html", b"<META HTTP-EQUIV=Content-Type CONTENT='text/html; charset=gb2312'><p>\xd6\xec", "朱"),
        ("text/html; charset=utf-8", b"<meta charset=koi8-r><p>\xc3\xa9", "é"),  # the mail has the last word
        ("text/html", b"<meta charset=none><p>\xc3\xa9", "é"),
        ("text/html", b"<meta charset=utf-16le><p>\xc3\xa9", "é"),
        ("text/html", b"<p>" + b" " * 1024 + b"<meta charset=koi8-r>\xf0", "ð"),
    ],
)
def test_html_that_names_its_charset(kind: str, html: bytes, said: str) -> None:
    """Where the mail says nothing of a charset, the HTML may, at its beginning; as in a browser."""
    mail = read(b"Content-Type: %b\r\n\r\n%b" % (kind.encode(), html))
    assert mail.html is not None
    assert mail.html.endswith(said)


def test_what_is_not_japanese() -> None:
    """Mail that only calls itself ISO-2022-JP is read as UTF-8, or as Windows-1252."""
    for octets, text in (
        (b"\xc3\xa9", "é"),
        (b"\x1b$B\xe9", "\x1b$Bé"),
        (b"\x1b$B!\xff\x1b(B", "\x1b$B!ÿ\x1b(B"),
    ):
        mail = read(b"Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n" + octets)
        assert mail.text == text
        assert "not valid 'iso-2022-jp'" in mail.problems[0]


@pytest.mark.parametrize(
    ("encoding", "octets", "text"),
    [
        ("base64 (as ever)", b"YWI=", "ab"),
        ('"quoted-printable"', b"=41", "A"),
        ("base64", b"YWI=\r\nYw==\r\nZGVm", "abcdef"),  # in pieces that were encoded one by one
        ("base64", b"YWI=\r\n_____\r\nthe footer of a list", "ab"),
        ("base64", b"YW\r\nI\r\n=\r\n", "ab"),
    ],
)
def test_transfer_encodings_as_they_come(encoding: str, octets: bytes, text: str) -> None:
    """A comment at the encoding, pieces with padding of their own and what stands behind them change nothing of the text."""
    mail = read(b"Content-Transfer-Encoding: %b\r\n\r\n%b" % (encoding.encode(), octets))
    assert mail.text == text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('attachment; filename="a;b.txt"', "a;b.txt"),
        ("attachment; filename=plain.txt; size=3", "plain.txt"),
        ("attachment; filename*=utf-8''caf%C3%A9.txt; filename=old.txt", "café.txt"),
        ("attachment; filename*1=b.txt; filename*0=a", "ab.txt"),
        ("attachment; filename*0*=iso-8859-1'en'%E9; filename*1=%41.txt", "é%41.txt"),
        ("attachment; filename*0=a; filename*2=c", "a"),
        ('attachment; filename="=?utf-8?q?caf=C3=A9?=.txt"', "café.txt"),
        ('attachment; filename="not closed.txt', "not closed.txt"),
        (r'attachment; filename="C:\\dir\\x.txt"', "x.txt"),
        ("attachment; filename", ""),
        ("attachment; =x; filename=..", ""),
        ('attachment (as said); filename="a.txt" (a comment); size=3', "a.txt"),
        ('attachment; filename="a "b".txt"', "a _b_.txt"),
        ("attachment; filename=report (1).txt", "report (1).txt"),
        ("attachment; filename*0*=utf-8''caf%C3%A9 (; filename*1*=2).txt", "café (2).txt"),
    ],
)
def test_file_names(value: str, expected: str) -> None:
    """File names in every form that mailers use, reduced to their last part."""
    mail = read(f"Content-Disposition: {value}\r\n\r\nx".encode())
    assert mail.root.filename == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", []),
        ("a@example.com", [("", "a@example.com")]),
        ("Zoë <z@example.com>, b@example.com", [("Zoë", "z@example.com"), ("", "b@example.com")]),
        ('"x, y \\" z" <a@example.com>', [('x, y " z', "a@example.com")]),
        ('"quoted local"@example.com', [("", '"quoted local"@example.com')]),
        ("a@example.com (Ann (of \\) Ely))", [("Ann (of \\) Ely)", "a@example.com")]),
        ("undisclosed-recipients:;", []),
        ("team: a@x.example, B <b@x.example>;", [("", "a@x.example"), ("B", "b@x.example")]),
        ("=?utf-8?q?=22=2C_evil=40x=2Eexample?= <a@example.com>", [('", evil@x.example', "a@example.com")]),
        ("broken <a@example.com", [("broken", "a@example.com")]),
        ('"two  blanks"  here <a@example.com>', [("two  blanks here", "a@example.com")]),
        ("=?utf-8?q?M=C3=BCller,_Zo=C3=AB?= <z@example.com>", [("Müller, Zoë", "z@example.com")]),
        ("<@relay.example,@other.example:a@example.com>", [("", "a@example.com")]),
        ("a @ example.com", [("", "a@example.com")]),
        (",,;", []),
    ],
)
def test_mailboxes(value: str, expected: list[tuple[str, str]]) -> None:
    """Address lists are read as mail programs mean them; a decoded name never makes another address."""
    assert [tuple(mailbox) for mailbox in read_mailboxes(value)] == expected


def test_identifiers_in_encoded_words() -> None:
    """Python's email package makes long identifiers encoded-words (RFC 2047 5 forbids it); they are read all the same."""
    written = b"=?utf-8?q?=3C" + b"x" * 50 + b"?=\r\n =?utf-8?q?" + b"y" * 50 + b"=40example=2Ecom=3E?="
    mail = read(
        b"Message-ID: %b\r\nContent-Type: image/png\r\nContent-ID: %b\r\n\r\nPNG" % (written, written)
    )
    assert mail.message_id == mail.root.content_id == f"{'x' * 50}{'y' * 50}@example.com"


@pytest.mark.parametrize(
    ("value", "iso"),
    [
        ("Tue, 03 Nov 2026 10:00:01 +0100", "2026-11-03T10:00:01+01:00"),
        ("3 Nov 26 10:00 EST", "2026-11-03T10:00:00-05:00"),
        ("Tuesday, 3 November 1999 10:00:60 -0030 (x)", "1999-11-03T10:00:59-00:30"),
        ("3 Nov 99 10:00:00", "1999-11-03T10:00:00+00:00"),
        ("3 Nov 2026 10:00:00 +9900", "2026-11-03T10:00:00+00:00"),
        ("31 Feb 2026 10:00:00 Z", None),
        ("3 Foo 2026 10:00:00 Z", None),
        ("yesterday", None),
    ],
)
def test_dates(value: str, iso: str | None) -> None:
    """Dates in the current and the obsolete form; what is no date is None."""
    moment = read_date(value)
    assert (moment and moment.isoformat()) == iso


def test_what_a_mail_offers() -> None:
    """Header values, mailboxes, identity and reprs of a mail."""
    mail = read(
        b"From: Zo\xc3\xab <zoe@example.com>\r\nReceived: a\r\nReceived: =?utf-8?q?b?=\r\n"
        b"Message-ID: <1@example.com>\r\nDate: 3 Nov 2026 10:00:00 +0000\r\n\r\nx"
    )
    assert repr(mail.sender) == "Zoë <zoe@example.com>"
    assert mail.values("received") == ["a", "b"]
    assert mail.message_id == "1@example.com"
    assert mail.date is not None
    assert repr(mail.fields[1]) == "Field('Received', 'a')"
    assert read(b"Subject: \xe9\r\n\r\n").subject == "é"
