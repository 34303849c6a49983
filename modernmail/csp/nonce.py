"""LazyNonce: a number used once, made when somebody asks for it."""

from __future__ import annotations


class LazyNonce:
    """The nonce of one request. It is true once it was used: a response that needs none announces none.

    Write it into a template, format it, or call `str` on it; 128 random bits, in URL-safe base64.

    >>> nonce = LazyNonce()
    >>> bool(nonce), len(str(nonce)), bool(nonce), str(nonce) == f"{nonce}"
    (False, 22, True, True)
    """

    __slots__ = ("_made",)

    def __init__(self) -> None:
        self._made: list[str] = []

    def __str__(self) -> str:
        if not self._made:
            import secrets

            self._made.append(secrets.token_urlsafe(16))  # two threads may append; all read the first
        return self._made[0]

    __html__ = __str__

    def __format__(self, form: str) -> str:
        return format(str(self), form)

    def __bool__(self) -> bool:
        return bool(self._made)

    def __eq__(self, other: object) -> bool:
        return str(self) == str(other) if isinstance(other, (str, LazyNonce)) else NotImplemented

    def __hash__(self) -> int:
        return hash(str(self))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {'used' if self else 'not used'}>"  # a log is no place for it
