"""Rules: at which step of which session the server does what.

A rule is written in Python, by adding one action after another::

    Rule("BODY").commit().hang()
    Rule("RCPT", nth=2).reply("450 4.2.1 later")
    Rule("DATA", session=1).hold("go").proceed()

or as JSON (`Rule.from_json`), the form in which whole corpora of faults are kept::

    {"on": "BODY", "do": [["commit"], ["hang"]]}
    {"on": "RCPT", "nth": 2, "do": [["reply", "450 4.2.1 later"]]}

The first rule that matches a step replaces what the server would have done. The steps are CONNECT (or
GREETING), TLS (before a handshake), EHLO, HELO, LHLO, STARTTLS, AUTH, AUTHDATA (each further line of an AUTH
exchange), MAIL, RCPT, DATA, BODY (the final dot has come; also `BDAT … LAST` when no rule is on BDAT), BDAT
(each chunk), RSET, NOOP, VRFY, HELP, QUIT, UNKNOWN (any other verb) and ANY (all of them but CONNECT and
TLS).
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace

from modernmail.errors import InvalidValue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

FLOOD_CAP = 64 * 1024 * 1024  # bytes that one flood may send, whatever the script says

_ALIASES = {"GREETING": "CONNECT", "*": "ANY", "LAST": "BODY"}
STEPS = frozenset(
    {
        *("CONNECT", "TLS", "EHLO", "HELO", "LHLO", "STARTTLS", "AUTH", "AUTHDATA"),
        *("MAIL", "RCPT", "DATA", "BODY", "BDAT"),
        *("RSET", "NOOP", "VRFY", "HELP", "QUIT", "UNKNOWN", "ANY"),
    }
)
_FLOOD_LINE = "250-" + "flood " * 20 + "\r\n"


@dataclass(frozen=True, slots=True)
class Action:
    """One thing the server does: `kind`, and those of the other fields that the kind uses."""

    kind: str
    data: bytes = b""
    seconds: float = 0.0
    size: int = 0
    name: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """What the server does at a step, instead of what a good server would do.

    `on` is the step. `nth` (1 is the first) is its count within the session, `session` the session's
    number, both one number, several, or None for all. `contains` must occur in the command's line (letter
    case aside). `accept` says whether the server takes the step as accepted; left None, its first reply
    decides: 354 to DATA, 2xx elsewhere.

    >>> [action.kind for action in Rule("BODY").commit().hang().do]
    ['commit', 'hang']
    """

    on: str
    _: KW_ONLY
    nth: int | tuple[int, ...] | None = None
    session: int | tuple[int, ...] | None = None
    contains: str = ""
    accept: bool | None = None
    do: tuple[Action, ...] = ()

    def __post_init__(self) -> None:
        step = str(self.on).upper()
        step = _ALIASES.get(step, step)
        if step not in STEPS:
            raise InvalidValue("on", self.on, f"no such step; there are {', '.join(sorted(STEPS))}")
        object.__setattr__(self, "on", step)

    def matches(self, step: str, line: bytes, *, nth: int, session: int) -> bool:
        """Return whether the rule speaks of this step."""
        if self.on != step and (self.on != "ANY" or step in {"CONNECT", "TLS"}):
            return False
        if not (_among(nth, self.nth) and _among(session, self.session)):
            return False
        return self.contains.lower().encode() in line.lower()

    def reply(self, text: str | bytes) -> Rule:
        """Send `text` and CRLF. CRLF inside makes several lines, which may be one reply or several."""
        return self._and(Action("reply", _octets(text) + b"\r\n"))

    def raw(self, data: str | bytes) -> Rule:
        """Send exactly `data`; a str as UTF-8, where U+DC80 to U+DCFF stand for the single bytes 80 to FF."""
        return self._and(Action("raw", _octets(data)))

    def sleep(self, seconds: float) -> Rule:
        """Wait; what was said before is sent first."""
        return self._and(Action("sleep", seconds=seconds))

    def drip(self, data: str | bytes, every: float = 0.1) -> Rule:
        """Send `data` one byte at a time, one `every` so many seconds."""
        return self._and(Action("drip", _octets(data), seconds=every))

    def flood(self, data: str | bytes = _FLOOD_LINE, size: int = FLOOD_CAP) -> Rule:
        """Send `data` over and over until `size` bytes are out (at most 64 MiB)."""
        if not data:
            raise InvalidValue("data", data, "a flood needs something to repeat")
        return self._and(Action("flood", _octets(data), size=min(size, FLOOD_CAP)))

    def read(self, size: int) -> Rule:
        """Read so many bytes of the client, and make nothing of them: part of a content, for example."""
        return self._and(Action("read", size=size))

    def hang(self) -> Rule:
        """Say nothing more, but go on reading, until the client gives up."""
        return self._and(Action("hang"))

    def stall(self) -> Rule:
        """Neither say nor read anything more until the server stops: the client's writes block in the end."""
        return self._and(Action("stall"))

    def close(self) -> Rule:
        """Close the connection in an orderly way: all that was said arrives, then the end."""
        return self._and(Action("close"))

    def reset(self) -> Rule:
        """Break the connection with a TCP reset."""
        return self._and(Action("rst"))

    def commit(self) -> Rule:
        """Take responsibility for the mail, whatever is said after; it makes sense on BODY and BDAT."""
        return self._and(Action("commit"))

    def start_tls(self, *, keep_plaintext: bool = False) -> Rule:
        """Start the TLS handshake; `keep_plaintext` obeys commands sent in clear behind STARTTLS (a flaw)."""
        return self._and(Action("tls", name="keep" if keep_plaintext else ""))

    def proceed(self) -> Rule:
        """Do what the server would have done without the rule."""
        return self._and(Action("default"))

    def hold(self, name: str) -> Rule:
        """Wait until the test calls `server.release(name)`."""
        return self._and(Action("hold", name=name))

    def _and(self, action: Action) -> Rule:
        return replace(self, do=(*self.do, action))

    @classmethod
    def from_json(cls, value: Mapping[str, object]) -> Rule:
        """Return the rule of a JSON object: `on`, `do`, and `nth`, `session`, `contains`, `accept`.

        >>> rule = Rule.from_json({"on": "quit", "do": [["reply", "421 bye"], ["close"]]})
        >>> rule == Rule("QUIT").reply("421 bye").close()
        True
        """
        unknown = set(value) - {"on", "do", "nth", "session", "contains", "accept"}
        if unknown:
            raise InvalidValue("script", dict(value), f"unknown keys {sorted(unknown)}")
        accept, contains = value.get("accept"), value.get("contains", "")
        if not (accept is None or isinstance(accept, bool)):
            raise InvalidValue("accept", accept, "true, false or null is expected")
        if not isinstance(contains, str):
            raise InvalidValue("contains", contains, "text is expected")
        rule = cls(
            str(value.get("on")),
            nth=_numbers("nth", value.get("nth")),
            session=_numbers("session", value.get("session")),
            contains=contains,
            accept=accept,
        )
        for item in _sequence("do", value.get("do", [])):
            rule = _add(rule, _sequence("do", item))
        return rule


_VERBS: dict[str, Callable[..., Rule]] = {
    "reply": Rule.reply,
    "raw": Rule.raw,
    "sleep": Rule.sleep,
    "drip": Rule.drip,
    "flood": Rule.flood,
    "read": Rule.read,
    "hang": Rule.hang,
    "stall": Rule.stall,
    "close": Rule.close,
    "rst": Rule.reset,
    "commit": Rule.commit,
    "tls": lambda rule, *how: rule.start_tls(keep_plaintext=how == ("keep",)),
    "default": Rule.proceed,
    "hold": Rule.hold,
}


def _add(rule: Rule, item: Sequence[object]) -> Rule:
    verb = _VERBS.get(str(item[0])) if item else None
    if verb is None:
        raise InvalidValue("do", list(item), f"no such action; there are {', '.join(_VERBS)}")
    try:
        return verb(rule, *item[1:])
    except (TypeError, AttributeError) as error:
        raise InvalidValue("do", list(item), f"wrong arguments: {error}") from error


def _among(number: int, wanted: int | tuple[int, ...] | None) -> bool:
    return wanted is None or (number in wanted if isinstance(wanted, tuple) else number == wanted)


def _octets(data: str | bytes) -> bytes:
    return data if isinstance(data, bytes) else data.encode("utf-8", "surrogateescape")


def _numbers(name: str, value: object) -> int | tuple[int, ...] | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    if isinstance(value, (list, tuple)) and all(isinstance(item, int) for item in value):
        return tuple(value)
    raise InvalidValue(name, value, "a number, a list of numbers or null is expected")


def _sequence(name: str, value: object) -> Sequence[object]:
    if isinstance(value, (list, tuple)):
        return value
    raise InvalidValue(name, value, "a list is expected")
