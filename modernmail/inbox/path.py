"""The argument of MAIL and RCPT, read without changing a letter of it."""

from __future__ import annotations


class InvalidPath(Exception):
    """The argument is not a path with parameters; `reply` is the answer to the client."""

    def __init__(self, reply: str) -> None:
        super().__init__(reply)
        self.reply = reply


def parse_path(keyword: str, argument: str | None) -> tuple[str, tuple[str, ...]]:
    r"""Return what stands between the angle brackets, letter for letter, and the ESMTP parameters after them.

    `keyword` is `FROM` or `TO`; `argument` is the command line without its verb. RFC 5321 4.1.2: a `>`
    within a quoted string does not end the path.

    >>> parse_path("FROM", "FROM:<zoe@example.com> SIZE=120 BODY=8BITMIME")
    ('zoe@example.com', ('SIZE=120', 'BODY=8BITMIME'))
    >>> parse_path("TO", r'TO:<"a \">b"@example.com>')
    ('"a \\">b"@example.com', ())
    >>> parse_path("FROM", "FROM:<>")
    ('', ())
    """
    syntax = InvalidPath(f"501 5.5.4 Syntax: {keyword}:<address>")
    if argument is None or argument[: len(keyword) + 1].upper() != f"{keyword}:":
        raise syntax
    text = argument[len(keyword) + 1 :].lstrip(" ")
    if not text.startswith("<"):
        raise syntax
    end = _end_of_path(text)
    if end is None:
        raise syntax
    path, rest = text[1:end], text[end + 1 :]
    if rest and not rest.startswith(" "):
        raise syntax
    if any(character < " " or character == "\x7f" for character in argument):
        raise InvalidPath("501 5.5.4 Control characters are not part of an address")
    if _has_surrogate(rest):
        raise InvalidPath("501 5.5.4 A parameter is not valid UTF-8")
    return path, tuple(rest.split())


def _end_of_path(text: str) -> int | None:
    quoted = False
    position = 1
    while position < len(text):
        character = text[position]
        if character == "\\" and quoted:
            position += 1
        elif character == '"':
            quoted = not quoted
        elif character == ">" and not quoted:
            return position
        position += 1
    return None


def parameter_names(options: tuple[str, ...], known: frozenset[str]) -> frozenset[str]:
    """Return the names of the parameters; raises `InvalidPath` for one that is not known."""
    names = frozenset(option.partition("=")[0].upper() for option in options)
    if names - known:
        raise InvalidPath("555 5.5.4 Parameter not known: " + ", ".join(sorted(names - known))[:100])
    return names


def check_ascii(path: str, *, utf8: bool) -> None:
    """Raise `InvalidPath` for a path that needs SMTPUTF8 and comes without it, or is no text at all."""
    if _has_surrogate(path):
        raise InvalidPath("501 5.1.3 The address is not valid UTF-8")
    if not utf8 and not path.isascii():
        raise InvalidPath("553 5.6.7 This address needs SMTPUTF8")  # RFC 6531 3.5


def _has_surrogate(text: str) -> bool:
    """Return whether text came of octets that are not UTF-8: no store and no JSON can take it."""
    return any("\ud800" <= character <= "\udfff" for character in text)
