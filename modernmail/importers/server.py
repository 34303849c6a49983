"""What every importer makes: `Imported`, a backend and a sender; and `Server`, an SMTP server as other libraries describe it.

Rules of the file: TLS that was optional there is required here, and certificates that nobody looked at are verified; what
asks for less in so many words is an error that names the argument that allows it. An error never shows a password.
"""

from __future__ import annotations

from ..backends.url import backend_from_url
from ..errors import ConfigurationError
from ..frozen import Frozen
from ..smtp.settings import is_loopback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal

    from ..backends.backend import Backend
    from ..layers.layer import Layer

    Security = Literal["implicit", "starttls", "none"]


class Imported(Frozen):
    """A backend, and what else of a configuration goes to its mailer."""

    __slots__ = ("backend", "from_email", "layers")
    backend: Backend
    from_email: Any
    layers: tuple[Layer, ...]

    def __init__(self, backend: Backend, from_email: Any = None, layers: tuple[Layer, ...] = ()) -> None:
        put = object.__setattr__
        put(self, "backend", backend)
        put(self, "from_email", from_email or None)
        put(self, "layers", layers)

    def arguments(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments of `Mailer`: those of the caller win, and his layers stand before ours."""
        values = {"from_email": self.from_email} | options
        values["layers"] = (*options.get("layers", ()), *self.layers)
        return values


class Allowed(Frozen):
    """What the caller of an importer allows beyond what is safe: `tls` for a server without TLS, `verify=False`."""

    __slots__ = ("tls", "verify")
    tls: str | None
    verify: bool | None

    def __init__(self, tls: str | None = None, verify: bool | None = None) -> None:
        if tls not in (None, "required", "opportunistic", "off"):
            raise ConfigurationError(f"tls={tls!r}: must be required, opportunistic or off")
        if verify not in (None, True, False):
            raise ConfigurationError(f"verify={verify!r}: must be True or False")
        object.__setattr__(self, "tls", tls)
        object.__setattr__(self, "verify", verify)


class Server:
    """An SMTP server; the names of settings are for errors.

    `security` is what the settings ask for; `security_settings` names those that do. `verify` False is what `verify_setting`
    asks for. `options` are those of our URLs, None for a default.
    """

    def __init__(
        self,
        host: object,
        port: object,
        security: Security,
        *,
        host_setting: str,
        port_setting: str,
        security_settings: str,
        username: object = None,
        password: object = None,
        verify: bool = True,
        verify_setting: str = "",
        **options: object,
    ) -> None:
        if not isinstance(host, str) or not host or any(char in host for char in "/@?#% "):
            raise ConfigurationError(f"{host_setting}={host!r}: must be the name or the address of a server")
        self.host = host
        self.port = number(port_setting, port)
        self.security = security
        self._security_settings = security_settings
        self._verify, self._verify_setting = verify, verify_setting
        # Django and Flask log in only when there are both.
        is_known = bool(username) and bool(password)
        self._login = {"username": username, "password": password} if is_known else {}
        self._options = options

    def backend(self, allowed: Allowed) -> Backend:
        """Return the backend. Raises `ConfigurationError` for what would be less safe than the caller allows."""
        from urllib.parse import quote

        options = {name: str(value) for name, value in self._options.items() if value is not None}
        is_local = is_loopback(self.host)
        if self.security == "none" and not is_local and allowed.tls is None:
            raise ConfigurationError(
                f"{self._security_settings}: mail to {self.host} would go in clear; turn TLS on there, or pass "
                'tls="opportunistic" (STARTTLS when it is offered) or tls="off" here'
            )
        if self.security != "implicit":
            tls = allowed.tls or ("required" if self.security == "starttls" else None)
            if tls is not None:
                options["tls"] = tls
        if not self._verify and allowed.verify is None and not is_local:
            raise ConfigurationError(
                f"{self._verify_setting}: anybody could pose as {self.host}; give the file of its authority (ca), or pass "
                "verify=False here"
            )
        if allowed.verify is False or (allowed.verify is None and not self._verify):
            options["verify"] = "off"
        scheme = "smtps" if self.security == "implicit" else "smtp"
        host = f"[{self.host}]" if ":" in self.host else self.host
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in options.items())
        return backend_from_url(f"{scheme}://{host}:{self.port}?{query}", self._login)


def number(setting: str, value: object) -> int:
    """Return a whole number, given as one or as its digits. Raises `ConfigurationError`."""
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 65536:
        raise ConfigurationError(f"{setting}={value!r}: must be a whole number from 1 to 65535")
    return value


def switch(setting: str, value: object) -> bool:
    """Return a setting that is on or off; text is neither, since "False" is true there."""
    if value is None:
        return False
    if not isinstance(value, (bool, int)) or value not in (0, 1):
        raise ConfigurationError(
            f"{setting}={value!r}: must be True or False (any text is true to the library it is for)"
        )
    return bool(value)


def security_of(starttls: tuple[str, object], implicit: tuple[str, object]) -> Security:
    """Return what two settings, each a name and its value, ask for. Raises `ConfigurationError` for both."""
    is_starttls, is_implicit = switch(*starttls), switch(*implicit)
    if is_starttls and is_implicit:
        raise ConfigurationError(f"{starttls[0]} and {implicit[0]} exclude each other: turn one of them off")
    return "implicit" if is_implicit else "starttls" if is_starttls else "none"


def unsupported(setting: str, value: object, why: str) -> None:
    """Raise `ConfigurationError` when a setting that has no counterpart is set."""
    if value:
        raise ConfigurationError(f"{setting}: {why}")


CLIENT_CERTIFICATE = "client certificates are not supported: unset it, and log in by password or token"
