"""What the server offers: the reply to EHLO as `Extensions` (RFC 5321 4.1.1.1)."""

from __future__ import annotations

from sys import maxsize

from ..frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..reply import Reply


class Extensions(Frozen):
    """The service extensions of one session; each is asked for by an attribute.

    `offered` maps each keyword, in capitals, to its parameters. `max_size` is the SIZE limit in octets, 0 when there is
    none or it is not known. `max_messages` is how many transactions a session may have, `max_recipients` how many
    recipients a transaction (LIMITS, RFC 9422); `sys.maxsize` when it does not say.

    >>> from modernmail.reply import Reply
    >>> extensions = Extensions.of(Reply(250, (b"mail.example.com", b"PIPELINING", b"SIZE 1000", b"AUTH PLAIN LOGIN")))
    >>> extensions.pipelining, extensions.max_size, extensions.auth
    (True, 1000, ('PLAIN', 'LOGIN'))
    """

    __slots__ = (
        "auth", "chunking", "dsn", "eightbitmime", "greeting", "max_messages", "max_recipients", "max_size", "offered",
        "pipelining", "requiretls", "size", "smtputf8", "starttls",
    )  # fmt: skip
    offered: dict[str, str]
    greeting: str
    auth: tuple[str, ...]
    pipelining: bool
    chunking: bool
    dsn: bool
    eightbitmime: bool
    requiretls: bool
    size: bool
    smtputf8: bool
    starttls: bool
    max_size: int
    max_messages: int
    max_recipients: int

    def __init__(self, offered: dict[str, str], greeting: str = "") -> None:
        put = object.__setattr__
        put(self, "offered", offered)
        put(self, "greeting", greeting)
        put(self, "auth", tuple(offered.get("AUTH", "").upper().split()))
        put(self, "pipelining", "PIPELINING" in offered)
        put(self, "chunking", "CHUNKING" in offered)
        put(self, "dsn", "DSN" in offered)
        put(self, "eightbitmime", "8BITMIME" in offered)
        put(self, "requiretls", "REQUIRETLS" in offered)
        put(self, "size", "SIZE" in offered)
        put(self, "smtputf8", "SMTPUTF8" in offered)
        put(self, "starttls", "STARTTLS" in offered)
        put(self, "max_size", _number(offered.get("SIZE", "").split(" ")[0]))
        limits = dict(limit.upper().partition("=")[::2] for limit in offered.get("LIMITS", "").split())
        put(self, "max_messages", _number(limits.get("MAILMAX", "")) or maxsize)
        put(self, "max_recipients", _number(limits.get("RCPTMAX", "")) or maxsize)

    @classmethod
    def of(cls, reply: Reply) -> Extensions:
        """Return the extensions that a reply to EHLO lists; after HELO there are none.

        >>> from modernmail.reply import Reply
        >>> Extensions.of(Reply(250, (b"mail", b"AUTH=LOGIN", b"AUTH LOGIN PLAIN", b"size\\t1000 "))).offered
        {'AUTH': 'LOGIN PLAIN', 'SIZE': '1000'}
        """
        offered: dict[str, str] = {}
        mechanisms: dict[str, None] = {}  # of all lines that name some
        lines = [line.decode("ascii", "replace") for line in reply.lines]
        for line in lines[1:]:
            # RFC 5321 4.1.1.1: one blank between them; some servers write a tab, or more behind
            keyword, *words = line.split() or [""]
            keyword = keyword.upper()
            if not keyword:
                continue
            # `AUTH=LOGIN` is how servers from before RFC 2554 wrote it; some still add the line.
            if keyword.startswith("AUTH="):
                words = [*keyword[5:].split(), *words]
                keyword = "AUTH"
            if keyword == "AUTH":
                mechanisms.update(dict.fromkeys(words))
            offered[keyword] = " ".join(words)
        if mechanisms:
            offered["AUTH"] = " ".join(mechanisms)
        return cls(offered, lines[0] if lines else "")

    def without(self, ignored: tuple[str, ...]) -> Extensions:
        """Return those that are not to be ignored."""
        if not ignored:
            return self
        left = {name: words for name, words in self.offered.items() if name not in ignored}
        return Extensions(left, self.greeting)

    def __repr__(self) -> str:
        return f"<Extensions {' '.join(self.offered)}>"


def _number(text: str) -> int:
    """Return a limit, 0 for what is none."""
    return int(text) if text.isdecimal() and text.isascii() and len(text) < 20 else 0
