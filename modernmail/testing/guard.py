"""Guard: no test sends real mail by accident."""

from __future__ import annotations

from modernmail.errors import ConfigurationError
from modernmail.smtp.settings import is_loopback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from modernmail.backends.backend import Backend
    from modernmail.backends.interception import Owner


class Guard:
    """Lets mailers reach this machine, and the hosts that are `allowed` (patterns such as `*.test`).

    >>> from modernmail import Mailer
    >>> Guard(["*.test"])(Mailer("smtp://mail.example.com"))
    Traceback (most recent call last):
    modernmail.errors.ConfigurationError: this test would send real mail to mail.example.com: ...
    """

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        self._allowed = tuple(allowed)

    def __call__(self, owner: Owner) -> Backend:
        """Return the owner's own backend. Raises `ConfigurationError` for a host that is not allowed."""
        for host in owner.backend.hosts:
            if not is_loopback(host) and not self._allows(host):
                raise ConfigurationError(
                    f"this test would send real mail to {host}: ask for the fixture outbox, "
                    "or name the host in the ini option modernmail_allowed_hosts"
                )
        return owner.backend

    def _allows(self, host: str) -> bool:
        from fnmatch import fnmatchcase

        return any(fnmatchcase(host.lower(), pattern.lower()) for pattern in self._allowed)
