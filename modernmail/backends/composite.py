"""URLs that hold URLs: `failover(smtp://a smtp://b)?retry_period=60`, `retry(smtp://a)?max_attempts=5`, nested as deep as wished.

`backend_from_url` and the mailer cut them.

Rules of the file: members stand between the parentheses, with blanks between them; options follow as in any URL. In a
member's user name and password, ( ) and blanks are written as %28 %29 %20. An error shows no member.
"""

from __future__ import annotations

from ..errors import ConfigurationError


class CompositeURL:
    """The parts of such a URL: `scheme` (the name), `members` (their URLs), `options`.

    >>> url = CompositeURL("failover(smtp://a roundrobin(smtp://b smtp://c))?retry_period=5")
    >>> url.scheme, url.members, url.options
    ('failover', ('smtp://a', 'roundrobin(smtp://b smtp://c)'), {'retry_period': '5'})
    """

    def __init__(self, url: str) -> None:
        from urllib.parse import unquote

        if not url.isprintable():
            raise ConfigurationError("a backend URL must hold no control characters")
        name, _, rest = url.partition("(")
        self.scheme = name.lower()
        inside, behind = _closed(self.scheme, rest)
        self.members = tuple(_split(inside))
        if not self.members:
            raise ConfigurationError(
                f"{self.scheme}(…) is empty: it needs the URL of a backend between the parentheses"
            )
        if behind and not behind.startswith("?"):
            raise ConfigurationError(
                f"{self.scheme}(…): nothing but ?options may stand behind the parenthesis"
            )
        self.options: dict[str, str] = {}
        for pair in filter(None, behind[1:].split("&")):
            key, _, value = pair.partition("=")  # a + stays one: addresses have them
            if key in self.options:
                raise ConfigurationError(f"the option {key} stands twice in the URL of {self.scheme}(…)")
            self.options[unquote(key)] = unquote(value)

    @staticmethod
    def matches(url: object) -> bool:
        """Return whether a URL is of this form."""
        if not isinstance(url, str):
            return False
        name, parenthesis, _ = url.partition("(")
        return bool(parenthesis) and name.replace("-", "").replace("_", "").isalnum()

    def refuse_options(self, known: tuple[str, ...] = ()) -> None:
        """Raise `ConfigurationError` for an option that does not exist here."""
        for name in self.options:
            if name not in known:
                there_are = f"there are {', '.join(known)}" if known else "there are none"
                raise ConfigurationError(f"{self.scheme}(…) has no option {name!r}; {there_are}")

    def __repr__(self) -> str:
        return f"<CompositeURL {self.scheme}({len(self.members)} members)>"


def _closed(scheme: str, rest: str) -> tuple[str, str]:
    """Return what stands before the parenthesis that closes, and what stands behind it."""
    depth = 1
    for at, character in enumerate(rest):
        if character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
            if not depth:
                return rest[:at], rest[at + 1 :]
    raise ConfigurationError(f"{scheme}(…) lacks its closing parenthesis")


def _split(text: str) -> list[str]:
    """Return the members; blanks inside of parentheses part none."""
    members = [""]
    depth = 0
    for character in text:
        depth += (character == "(") - (character == ")")
        if character == " " and not depth:
            members.append("")
        else:
            members[-1] += character
    return [member for member in members if member]
