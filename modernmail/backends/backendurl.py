"""The address of a backend as its parts: `BackendURL`.

Factories of backends get one, and refuse what they don't know.

Rules of the file: an unknown option is an error that lists what exists; an error never shows user, password or the URL that
holds them.
"""

from __future__ import annotations

from ..errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..smtp.settings import TokenProvider


MALFORMED = "a backend URL is malformed: write / and ? in a user name or password as %2F and %3F"


class BackendURL:
    """The parts of a backend's URL: `scheme`, `username`, `password`, `host`, `port`, `path`, `options`.

    User and password are percent-decoded; `token` is the provider of OAuth2 tokens that was given beside the URL. `repr`
    shows none of them.

    >>> url = BackendURL("smtp://me:s%3Acret@mail.example.com:2525?timeout=5")
    >>> url.host, url.port, url.password, url.options
    ('mail.example.com', 2525, 's:cret', {'timeout': '5'})
    >>> url
    <BackendURL smtp://mail.example.com:2525>
    """

    def __init__(self, url: str) -> None:
        from urllib.parse import parse_qsl, urlsplit

        if not isinstance(url, str) or not url.isprintable() or " " in url:
            raise ConfigurationError("a backend URL must be a str without spaces and control characters")
        try:
            parts = urlsplit(url)
            self.port = parts.port
            host = parts.hostname
        except ValueError as error:
            raise ConfigurationError(f"a backend URL is malformed: {_safe(error)}") from None
        if not parts.scheme:
            raise ConfigurationError(
                "a backend URL begins with a scheme, such as smtp://mail.example.com or console: (what was given has none)"
            )
        self.scheme = parts.scheme
        if (
            parts.netloc
            and "@" not in parts.netloc
            and ("@" in parts.path or "@" in parts.query.partition("=")[0])
        ):
            raise ConfigurationError(MALFORMED)
        if parts.fragment:
            raise ConfigurationError(
                "a backend URL has no fragment: write # in a user name or password as %23"
            )
        self.username = None if parts.username is None else _decoded(parts.username)
        self.password = None if parts.password is None else _decoded(parts.password)
        self.token: TokenProvider | None = None
        self.host = _decoded(host) if host else ""
        self.path = _decoded(parts.path)
        self.options: dict[str, str] = {}
        for name, value in parse_qsl(parts.query, keep_blank_values=True):
            if name in self.options:
                raise ConfigurationError(f"the option {name} stands twice in the URL")
            self.options[name] = value

    def refuse_options(self, known: tuple[str, ...] = ()) -> None:
        """Raise `ConfigurationError` for an option that does not exist here."""
        for name in self.options:
            if name not in known:
                there_are = f"there are {', '.join(known)}" if known else "there are none"
                raise ConfigurationError(f"{self.scheme}: has no option {name!r}; {there_are}")

    def refuse_host(self) -> None:
        """Raise `ConfigurationError` when a host, a user or a port is given to a backend that has none."""
        if self.host or self.username or self.port or self.token:
            raise ConfigurationError(f"{self.scheme}: takes no host, user, port or token")

    def refuse_all(self) -> None:
        """Raise `ConfigurationError` when anything stands behind the scheme of a backend that has no place and no options."""
        self.refuse_host()
        self.refuse_options()
        if self.path.strip("/"):
            raise ConfigurationError(f"{self.scheme}: takes nothing behind it")

    def __repr__(self) -> str:
        port = f":{self.port}" if self.port else ""
        return f"<BackendURL {self.scheme}://{self.host}{port}{self.path}>"


def _decoded(text: str) -> str:
    """Return text with its %XX decoded; one that is none is an error, not text: it is a % that was not encoded."""
    from urllib.parse import unquote

    at = text.find("%")
    while at >= 0:
        digits = text[at + 1 : at + 3]
        if len(digits) < 2 or any(digit not in "0123456789abcdefABCDEF" for digit in digits):
            raise ConfigurationError(
                "a backend URL is malformed: a % in it that begins no %XX is written %25"
            )
        at = text.find("%", at + 3)
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise ConfigurationError("a backend URL is malformed: its %XX are not UTF-8") from None


def _safe(error: ValueError) -> str:
    if "ort" not in str(error):
        return "its host cannot be read"
    return (
        "its port is not a number from 0 to 65535; or a user name or password holds / ? # or @, which are written "
        "%2F %3F %23 %40"
    )
