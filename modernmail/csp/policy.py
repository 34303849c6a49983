"""Policy: directives and their values, checked once, written into a header many times."""

from __future__ import annotations

from modernmail.errors import InvalidPolicy

from .keywords import CSP, DIRECTIVES, KEYWORDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Set

    from .nonce import LazyNonce

    Values = str | Sequence[str] | Set[str] | bool | None
    Config = Mapping[str, Values]

_BARE_KEYWORDS = frozenset(word.strip("'") for word in KEYWORDS) - {"allow", "block", "script"}
_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_=")


def build_policy(config: Config, nonce: LazyNonce | str | None = None) -> str:
    """Return the value of a Content-Security-Policy header, by Django's rules.

    `config` maps directives to a string, a list, a tuple or a set of them (sets are sorted); None and False
    drop the directive, True writes it bare. `CSP.NONCE` becomes `'nonce-…'` when `nonce` is given (and, if it
    is lazy, was used) and vanishes otherwise; a directive left without a value is dropped. Unlike Django,
    raises `InvalidPolicy` for what a browser would ignore or read otherwise: an unknown directive, a source
    with a space, `;`, `,` or a control character, an unknown keyword or one without its quotes, `'none'`
    beside others.

    >>> build_policy({"script-src": [CSP.SELF, CSP.NONCE], "upgrade-insecure-requests": True}, nonce="abc")
    "script-src 'self' 'nonce-abc'; upgrade-insecure-requests"
    >>> build_policy({"default-src": ["'self'; script-src *"]})
    Traceback (most recent call last):
    modernmail.errors.InvalidPolicy: default-src: "'self'; script-src *": ...
    """
    return Policy(config).render(nonce)


class Policy:
    """A checked policy; `render(nonce)` gives the header's value. Making one raises `InvalidPolicy`.

    >>> policy = Policy({"script-src": [CSP.NONCE], "default-src": "'none'"})
    >>> policy.render(), policy.render("abc")
    ("default-src 'none'", "script-src 'nonce-abc'; default-src 'none'")
    """

    __slots__ = ("_fixed", "directives")

    def __init__(self, config: Config) -> None:
        directives = []
        for name, given in config.items():
            _check_name(name)
            values = _values(name, given)
            if values is not None:
                directives.append((name, values))
        self.directives: tuple[tuple[str, tuple[str, ...]], ...] = tuple(directives)
        self._fixed = _written(self.directives, None)

    @classmethod
    def of(cls, config: Policy | Config | None) -> Policy | None:
        """Return `config` as a policy; None, and a mapping with nothing in it, mean that there is none."""
        if config is None or isinstance(config, Policy):
            return config
        return cls(config) if config else None

    @property
    def has_nonce(self) -> bool:
        """Whether a nonce would show in this policy."""
        return any(CSP.NONCE in values for _, values in self.directives)

    def render(self, nonce: LazyNonce | str | None = None) -> str:
        """Return the header's value; a lazy nonce that nobody used is left out."""
        if not nonce or not self.has_nonce:
            return self._fixed
        text = str(nonce)
        if not _BASE64.issuperset(text):
            raise InvalidPolicy("nonce", text, "letters, digits and + / - _ = are what a nonce may hold")
        return _written(self.directives, f"'nonce-{text}'")

    def __eq__(self, other: object) -> bool:
        return self.directives == other.directives if isinstance(other, Policy) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.directives)

    def __repr__(self) -> str:
        return f"Policy({dict(self.directives)!r})"


def _written(directives: tuple[tuple[str, tuple[str, ...]], ...], nonce: str | None) -> str:
    written = []
    for name, values in directives:
        kept = [nonce if value == CSP.NONCE else value for value in values]
        texts = [value for value in kept if value is not None]
        if texts or not values:
            written.append(" ".join((name, *texts)))
    return "; ".join(written)


def _values(name: str, given: Values) -> tuple[str, ...] | None:
    """Return the values to write, `()` for a bare directive, None for one to drop."""
    if given is None or given is False:
        return None
    if given is True:
        return ()
    if isinstance(given, str):
        values: tuple[str, ...] = (given,)
    elif isinstance(given, (list, tuple)):
        values = tuple(given)
    elif isinstance(given, (set, frozenset)):
        values = tuple(sorted(given, key=str))
    else:
        raise InvalidPolicy(
            name, given, "a string, a list, a tuple, a set, True, False or None is what it takes"
        )
    for value in values:
        _check_value(name, value)
    if CSP.NONE in values and len(set(values)) > 1:
        raise InvalidPolicy(
            name, list(map(str, values)), "'none' stands alone: browsers ignore it beside others"
        )
    return tuple(map(str, values)) or None


def _check_name(name: str) -> None:
    if name not in DIRECTIVES:
        raise InvalidPolicy("directive", name, "unknown" + _nearest(str(name), DIRECTIVES))


def _check_value(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise InvalidPolicy(name, value, "each value is a string")
    if value == CSP.NONCE:
        return
    if not value:
        raise InvalidPolicy(name, value, "an empty value; True writes the directive bare")
    wrong = next((character for character in value if not "!" <= character <= "~" or character in ";,"), None)
    if wrong == " ":
        raise InvalidPolicy(name, value, "a space separates values: pass a list")
    if wrong is not None:
        raise InvalidPolicy(name, value, f"{wrong!r} cannot be part of a value (percent-encode it in a URL)")
    if value in _BARE_KEYWORDS and name not in {"report-to", "sandbox", "trusted-types"}:
        raise InvalidPolicy(name, value, f"without quotes this is a host; the keyword is \"'{value}'\"")
    if (value.startswith("'") or value.endswith("'")) and not _is_quoted_word(value):
        raise InvalidPolicy(name, value, "unknown keyword" + _nearest(value, KEYWORDS))
    if '"' in value:
        raise InvalidPolicy(name, value, "keywords stand in single quotes")


def _is_quoted_word(value: str) -> bool:
    if value in KEYWORDS:
        return True
    kind, dash, rest = value.strip("'").partition("-")
    quoted = len(value) > 2 and value.startswith("'") and value.endswith("'") and value.count("'") == 2
    return (
        quoted
        and kind in {"nonce", "sha256", "sha384", "sha512"}
        and bool(dash and rest)
        and _BASE64.issuperset(rest)
    )


def _nearest(word: str, known: frozenset[str]) -> str:
    import difflib

    near = difflib.get_close_matches(word.lower(), sorted(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(sorted(known))}"
