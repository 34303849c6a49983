"""Hostile shapes: for each place that takes input, texts that grow with a number and have broken parsers before.

Each shape is a function of the number that returns what is to be done; a refusal is an answer like any other. They import
the library late: `steps.counted` gives them its own copy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    Shape = Callable[[int], Callable[[], object]]


def mail(**arguments: Any) -> Any:
    """Return a message of the least, and these arguments."""
    from modernmail import Message

    return Message(**{"from_email": "me@example.org", "to": "to@example.com", "text": "body\n", **arguments})


def refused_or(call: Callable[[], object]) -> Callable[[], None]:
    """Return the call, a refusal taken for an answer."""
    from modernmail.errors import InvalidValue

    def attempted() -> None:
        try:
            call()
        except InvalidValue:
            return

    return attempted


def repeated(piece: str, before: str = "", after: str = "") -> Callable[[int], str]:
    """Return a function that gives a piece n times between two texts."""
    return lambda n: before + piece * n + after


# What may stand in each place, as functions of n.
ADDRESSES: dict[str, Callable[[int], str]] = {
    "open quotes": repeated('\\"', '"'),
    "quoted words": repeated('"a" ', "", "<a@example.com>"),
    "quotes inside": repeated('\\"', '"', '" <a@example.com>'),
    "quotes alone": repeated('"'),
    "backslashes": repeated("\\", '"', '" <a@example.com>'),
    "brackets": lambda n: "<" * n + "a@example.com" + ">" * n,
    "closing brackets": repeated(">", "a@example.com"),
    "comments": lambda n: "(" * n + ")" * n + "a@example.com",
    "open comments": repeated("(", "a"),
    "commas": repeated("a@example.com,"),
    "semicolons": repeated("g:a@example.com;"),
    "at signs": repeated("@", "a"),
    "dots in the local part": repeated(".", "", "@example.com"),
    "dots in the domain": repeated(".", "a@"),
    "labels": repeated("a.", "a@", "com"),
    "A-labels": repeated("xn--a-", "a@"),
    "A-labels with dots": repeated("xn--a-.", "a@"),
    "U-labels": repeated("ü", "a@", ".example"),
    "U-labels with dots": repeated("ü.", "a@", "example"),
    "ideographic dots": repeated("。", "a@"),
    "a long local part": repeated("é", "", "@example.com"),
    "encoded-words in the local part": repeated("=?utf-8?q?a?=", "", "@example.com"),
    "a long name": repeated("é ", "", "<a@example.com>"),
    "encoded-words in a name": repeated("=?utf-8?q?a?= ", "", "<a@example.com>"),
    "openings in a name": repeated("=?", "", " <a@example.com>"),
    "dots in a name": repeated("J. ", "", "<a@example.com>"),
    "a word in a name": repeated("x", "", " <a@example.com>"),
    "a quoted local part": repeated("a", '"', '"@example.com'),
    "escapes in a quoted local part": repeated("\\a", '"', '"@example.com'),
    "blanks": lambda n: " " * n + "a@example.com" + " " * n,
    "blanks in a name": repeated(" ", "a", "<a@example.com>"),
    "tabs in a name": repeated("\t", '"a', '" <a@example.com>'),
    "a literal": repeated("1:", "a@[IPv6:", "]"),
    "a literal of digits": repeated("1", "a@[", "]"),
    "line breaks": repeated("\r\n"),
    "surrogates": repeated("\ud800"),
    "hidden characters": repeated("a\u200c", "", "@example.com"),
}
TEXTS: dict[str, Callable[[int], str]] = {
    "a word": repeated("x"),
    "words": repeated("x "),
    "blanks": repeated(" ", "a", "b"),
    "tabs": repeated("\t", "a", "b"),
    "words and tabs": repeated("x\t"),
    "two blanks": repeated("x  "),
    "accents": repeated("é"),
    "words with accents": repeated("é a "),
    "an accent far away": repeated("word ", "", "é"),
    "accents at both ends": repeated("word ", "é ", "é"),
    "four octets": repeated("😀"),
    "encoded-words": repeated("=?utf-8?q?x?= "),
    "joined encoded-words": repeated("=?utf-8?q?x?="),
    "openings": repeated("=?"),
    "closings": repeated("?="),
    "question marks": repeated("?", "=?"),
    "quotes": repeated('"'),
    "backslashes": repeated("\\"),
    "parentheses": repeated("("),
    "underscores": repeated("_ = ? "),
    "controls": repeated("\x07"),
}
BODIES: dict[str, Callable[[int], str]] = {
    "dots": repeated(".\n"),
    "carriage returns": repeated("\r"),
    "line ends": repeated("\r\n"),
    "both line ends": repeated("\n\r"),
    "a line": repeated("x"),
    "lines": repeated("x\n"),
    "lines of 998": lambda n: ("x" * 998 + "\n") * (n // 500 + 1),
    "lines of 999": lambda n: ("x" * 999 + "\n") * (n // 500 + 1),
    "a line with accents": repeated("é"),
    "lines with accents": repeated("é\n"),
    "equals signs": repeated("="),
    "blanks": repeated(" "),
    "blanks at the ends": repeated("x \n"),
    "tabs at the ends": repeated("\t\n"),
    "From lines": repeated("From x\n"),
    "boundaries": repeated("--=_0_\n"),
    "encoded blanks": repeated("é" * 24 + " \n"),
}
HTML: dict[str, Callable[[int], str]] = {
    piece: repeated(piece)
    for piece in (
        "<table><tr><td>x", "<blockquote>x", "<ul><li>x", "<a href=x>y", "<b>", "</i>", "<!--", "<p hidden>x", "<a href=x",
        "&amp;", "&", "&#", "&#x", "<", "<div>x</div>", "<table><tr><td>a<td>b</table>", "<h1>x", "<pre>x\n", "<style>", "<br>",
        "</p>", "<td>", "<!x", "<!x>", "<?", "</", "<p style='opacity:0'>", "<b><i></b>", "<ul><li>x</ul>", "<dd>x", "<p ",
        "<p a", "<p a=", "<p a='", '<p a="', "<p a=b ", "<script>", "</script", "<title>", "<textarea>x", "<img alt=x>",
        "<table><tr><td><table>", "<ol start=9><li>", "<p style=';", " ", "\n", "\xa0", "\u200b", "<svg>", "<select><option>",
        "<a href='mailto:x'>", "<ol><li>", "<hr>", "<template>", "<plaintext>", "<tr>", "<th>x", "<br><br>", "<li>",
        "<p style='display:none'>x</p>", "-->", "<!---", "<td colspan=9>",
    )
}  # fmt: skip
MAILS: dict[str, Callable[[int], bytes]] = {
    "fields": lambda n: b"X: y\n" * n + b"\nx",
    "folds": lambda n: b"X: y\n" + b" y\n" * n + b"\nx",
    "empty folds": lambda n: b"X: y\n" + b" \n" * n + b"\nx",
    "recipients": lambda n: b"To: a@b.example\n" * n + b"\nx",
    "blind copies": lambda n: b"Bcc: a@b.example\n" * n + b"\nx",
    "a header without an end": lambda n: b"x" * n,
    "colons": lambda n: b":" * n,
    "nested multiparts": lambda n: b"".join(
        b"Content-Type: multipart/mixed; boundary=%d\n\n--%d\n" % (at, at) for at in range(n)
    ),
    "nested multiparts of one boundary": lambda n: b"Content-Type: multipart/mixed; boundary=b\n\n--b\n" * n,
    "nested messages": lambda n: b"Content-Type: message/rfc822\n\n" * n,
    "parts": lambda n: b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * n + b"--b--\n",
    "endings": lambda n: b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b--\n" * n,
    "dashes": lambda n: b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--" * n,
    "lines of dashes": lambda n: b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--\n" * n,
    "a boundary": lambda n: b"Content-Type: multipart/mixed; boundary=" + b"b" * n + b"\n\n--" + b"b" * n,
    "parameters": lambda n: b"Content-Type: text/plain" + b"; a=b" * n + b"\n\nx",
    "sections": lambda n: (
        b"Content-Disposition: attachment"
        + b"".join(b"; a*%d*=b" % (at % 1000) for at in range(n))
        + b"\n\nx"
    ),
    "quotes of parameters": lambda n: b'Content-Type: text/plain; a="' + b'\\"' * n + b"\n\nx",
    "semicolons": lambda n: b"Content-Type: text/plain" + b";" * n + b"\n\nx",
    "octets": lambda n: b"Subject: " + b"\xff" * n + b"\n\n" + b"\xff" * n,
    "carriage returns": lambda n: b"Subject: x\n\n" + b"\r" * n,
    "NULs": lambda n: b"Subject: x\n\n" + b"\0" * n,
    "quoted-printable": lambda n: b"Content-Transfer-Encoding: quoted-printable\n\n" + b"=" * n,
    "soft breaks": lambda n: b"Content-Transfer-Encoding: quoted-printable\n\n" + b"=\n" * n,
    "base64": lambda n: b"Content-Transfer-Encoding: base64\n\n" + b"=" * n,
    "dirty base64": lambda n: b"Content-Transfer-Encoding: base64\n\n" + b"YQ!=" * n,
    "uuencode": lambda n: b"Content-Transfer-Encoding: x-uuencode\n\nbegin 644 x\n" + b"#86%A\n" * n,
    "mbox lines": lambda n: b"From x\n" * n + b"Subject: x\n\nx",
    "message-ids": lambda n: b"References: " + b"<a@b> " * n + b"\n\nx",
    "message-ids without an end": lambda n: b"References: " + b"<" * n + b"\n\nx",
    "dates": lambda n: b"Date: " + b"1 " * n + b"\n\nx",
    "charsets": lambda n: b"Content-Type: text/plain; charset=" + b"x" * n + b"\n\n\xff",
}


def _address(text: Callable[[int], str]) -> Shape:
    def shape(n: int) -> Callable[[], object]:
        from modernmail import Address

        given = text(n)
        return lambda: Address(given)

    return shape


def _message(name: str, value: Callable[[int], Any]) -> Shape:
    def shape(n: int) -> Callable[[], object]:
        given = value(n)
        return lambda: mail(**{name: given}).as_bytes()

    return shape


def _body(text: Callable[[int], str], encoding: str) -> Shape:
    def shape(n: int) -> Callable[[], object]:
        given = text(n)
        return lambda: mail(text=given, body_encoding=encoding).as_bytes()

    return shape


def _named(text: Callable[[int], str]) -> Shape:
    """Return a message to a mailbox that has a text for its name."""

    def shape(n: int) -> Callable[[], object]:
        given = text(n)

        def call() -> object:
            from modernmail import Address

            return mail(to=Address(name=given, addr_spec="a@example.com")).as_bytes()

        return call

    return shape


def _read_list(text: Callable[[int], str]) -> Shape:
    def shape(n: int) -> Callable[[], object]:
        from modernmail.mime.mailboxlist import MailboxList

        given = text(n)
        return lambda: MailboxList(given).addresses

    return shape


def _read_mail(octets: Callable[[int], bytes]) -> Shape:
    def shape(n: int) -> Callable[[], object]:
        from modernmail import Message

        given = octets(n)

        def call() -> object:
            read = Message.from_bytes(given)
            return read.to_dict(), read.copy(from_email="a@example.com").as_bytes()

        return call

    return shape


def _field(name: str, text: Callable[[int], str]) -> Callable[[int], bytes]:
    return lambda n: f"{name}: {text(n)}\n\nx".encode("utf-8", "surrogatepass")


def _plain_text(text: Callable[[int], str]) -> Shape:
    def shape(n: int) -> Callable[[], object]:
        given = text(n)
        return lambda: mail(html=given).text_from_html().text

    return shape


def _attached(text: Callable[[int], str]) -> Shape:
    def shape(n: int) -> Callable[[], object]:
        given = text(n)
        return lambda: mail(attachments=[(given, b"x", "a/b")]).as_bytes()

    return shape


def _typed(text: Callable[[int], str]) -> Shape:
    def shape(n: int) -> Callable[[], object]:
        given = f'text/plain; name="{text(n)}"'
        return lambda: mail(attachments=[("x", b"x", given)]).as_bytes()

    return shape


def _merged(text: Callable[[int], str]) -> Shape:
    def shape(n: int) -> Callable[[], object]:
        given = text(n)
        rows = [{"to": "a@example.com", "a": "{b}", "b": given}]

        def call() -> object:
            return [copy.as_bytes() for copy in mail(subject=given, text=given, html=given).merge(iter(rows))]

        return call

    return shape


BRACES: dict[str, Callable[[int], str]] = {
    "holes": repeated("{a}"),
    "holes of another kind": repeated("{c}"),
    "open braces": repeated("{"),
    "open words": repeated("{a"),
    "closed braces": repeated("}"),
    "nested braces": lambda n: "{" * n + "a" + "}" * n,
    "rules": repeated("p{color:red}"),
    "a long word": repeated("a", "{", "}"),
    "long words": repeated("a", "{", "!"),
}
# Each place that takes text, as a function from texts to shapes.
PLACES: dict[str, Callable[[Callable[[int], str]], Shape]] = {
    "address": _address,
    "list": _read_list,
    "name": _named,
    "subject": lambda text: _message("subject", text),
    "field": lambda text: _message("headers", lambda n: {"X-A": text(n)}),
    "file name": _attached,
    "parameter": _typed,
    "media type": lambda text: _message("attachments", lambda n: [("x", b"x", text(n))]),
    "text": lambda text: _body(text, "auto"),
    "quoted-printable text": lambda text: _body(text, "quoted-printable"),
    "html to text": _plain_text,
    "merge": _merged,
    "mail of others": lambda text: _read_mail(lambda n: text(n).encode("utf-8", "surrogatepass")),
    "multipart of others": lambda text: _read_mail(
        lambda n: b"Content-Type: multipart/mixed; boundary=b\n\n" + text(n).encode("utf-8", "surrogatepass")
    ),
    **{
        f"{name} of others": lambda text, name=name: _read_mail(_field(name, text))
        for name in (
            "To",
            "Subject",
            "Content-Type",
            "Content-Disposition",
            "References",
            "Content-Transfer-Encoding",
        )
    },
    **{
        name: lambda text, name=name: _message("headers", lambda n: {name: text(n)})
        for name in ("References", "List-Help", "List-Id", "Date", "Resent-To", "Message-ID")
    },
}


def _offered(line: bytes) -> Shape:
    """Read a reply to EHLO of n such lines."""

    def shape(n: int) -> Callable[[], object]:
        from modernmail.reply import Reply
        from modernmail.smtp.extensions import Extensions

        lines = [b"mail.example.com", *(line % at if b"%" in line else line for at in range(n))]
        return lambda: Extensions.of(Reply(250, lines))

    return shape


SHAPES: dict[str, Shape] = {}
for _kind, _text in ADDRESSES.items():
    SHAPES[f"address: {_kind}"] = _address(_text)
    SHAPES[f"list: {_kind}"] = _read_list(_text)
    SHAPES[f"To of others: {_kind}"] = _read_mail(_field("To", _text))
    SHAPES[f"Resent-To: {_kind}"] = _message("headers", lambda n, text=_text: {"Resent-To": text(n)})
for _kind, _text in TEXTS.items():
    SHAPES[f"subject: {_kind}"] = _message("subject", _text)
    SHAPES[f"name: {_kind}"] = _named(_text)
    SHAPES[f"field: {_kind}"] = _message("headers", lambda n, text=_text: {"X-A": text(n)})
    SHAPES[f"file name: {_kind}"] = _attached(_text)
    SHAPES[f"parameter: {_kind}"] = _typed(_text)
    SHAPES[f"Subject of others: {_kind}"] = _read_mail(_field("Subject", _text))
    SHAPES[f"Content-Disposition of others: {_kind}"] = _read_mail(
        _field("Content-Disposition", lambda n, text=_text: f'attachment; filename="{text(n)}"')
    )
    for _name in ("References", "List-Help", "List-Id", "Date", "Message-ID"):
        SHAPES[f"{_name}: {_kind}"] = _message(
            "headers", lambda n, name=_name, text=_text: {name: f"<{text(n)}>"}
        )
for _kind, _text in BODIES.items():
    for _encoding in ("auto", "base64", "quoted-printable", "8bit"):
        SHAPES[f"{_encoding} body: {_kind}"] = _body(_text, _encoding)
    SHAPES[f"body of others: {_kind}"] = _read_mail(
        lambda n, text=_text: b"Subject: x\n\n" + text(n).encode()
    )
for _kind, _text in HTML.items():
    SHAPES[f"plain text: {_kind}"] = _plain_text(_text)
for _kind, _octets in MAILS.items():
    SHAPES[f"mail of others: {_kind}"] = _read_mail(_octets)
for _kind, _text in BRACES.items():
    SHAPES[f"merge: {_kind}"] = _merged(_text)
SHAPES |= {
    "mailboxes": _message("to", lambda n: [f"a{at}@{n}.example.com" for at in range(n)]),
    "mailboxes with names": _message("cc", lambda n: [f"Zoë {at} <a{at}@example.com>" for at in range(n)]),
    "repeated mailboxes": _message("bcc", lambda n: ["a@example.com"] * n),
    "message-ids": _message("headers", lambda n: {"References": "<a@b.example> " * n}),
    "uris": _message("headers", lambda n: {"List-Help": ", ".join(["<https://a.example>"] * n)}),
    "comments of uris": _message("headers", lambda n: {"List-Help": "(a)" * n + "<https://a.example>"}),
    "open comments of uris": _message("headers", lambda n: {"List-Help": "(" * n}),
    "commas in a uri": _message("headers", lambda n: {"List-Help": f"<https://a/{',' * min(n, 900)}>"}),
    "commas in a comment": _message("headers", lambda n: {"List-Help": f"<https://a/> (<{',' * n})"}),
    "uris of commas": _message(
        "headers", lambda n: {"List-Help": ", ".join(["<https://a.example/,,,>"] * n)}
    ),
    "a list-id": _message("headers", lambda n: {"List-Id": "a " * n + "<a.b>"}),
    "fields": _message("headers", lambda n: [(f"X-{at}", "a") for at in range(n)]),
    "resent mailboxes": _message("headers", lambda n: {"Resent-To": "a@b.example, " * n + "a@b.example"}),
    "attachments": _message("attachments", lambda n: [("a.txt", b"a")] * n),
    "alternatives": _message("alternatives", lambda n: [("a", "text/x-a")] * n),
    "parameters": _message(
        "attachments",
        lambda n: [("x", b"x", "a/b" + "".join(f"; p{at}=v" for at in range(n)))],
    ),
    "embedded parts": lambda n: lambda: _embedded(n).as_bytes(),
    "a large attachment": _message("attachments", lambda n: [("a", bytes(500 * n))]),
    "a large text": _body(lambda n: "x" * (500 * n), "auto"),
    "extensions": _offered(b"X%d y"),
    "mechanisms": _offered(b"AUTH X%d"),
    "mechanisms as they were written once": _offered(b"AUTH=X%d"),
    "the same mechanism": _offered(b"AUTH PLAIN"),
    "a large text of accents": _body(lambda n: "é" * (100 * n), "quoted-printable"),
}


def _embedded(n: int) -> Any:
    message = mail(html="<p>")
    for at in range(n):
        message.embed(f"c{at}", b"GIF89a")
    return message
