"""A provider from the mapping of a configuration: `{"preset": "gmail", "client_id": …, "refresh_token": …}`.

`Mailer` calls it for a `token` that is a mapping.

Rules of the file: a key that does not exist is an error that lists those that do; a value is never shown.
"""

from __future__ import annotations

from ..errors import ConfigurationError
from .grants import OAuth2ClientCredentials, OAuth2RefreshToken

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from .provider import OAuth2Provider

_OPTIONS = ("ca", "client_auth", "extra", "http_on_loopback", "margin", "scope", "timeout")


def provider_from(settings: Mapping[str, Any]) -> OAuth2Provider:
    """Return the provider that a mapping describes: with a `refresh_token` a user's, without it the application's.

    `preset` is `"gmail"` or `"microsoft365"` (which needs `tenant`), else there is a `token_url`. The other keys are the
    arguments of `OAuth2ClientCredentials` and `OAuth2RefreshToken`. Raises `ConfigurationError`.

    >>> provider_from({"preset": "gmail", "client_id": "i", "client_secret": "s", "refresh_token": "r"})
    <OAuth2RefreshToken at oauth2.googleapis.com>
    """
    values = dict(settings)
    preset = values.pop("preset", None)
    is_users = "refresh_token" in values
    if preset not in (None, "gmail", "microsoft365"):
        raise ConfigurationError(f"token: preset={preset!r}: must be gmail or microsoft365")
    if preset == "gmail" and not is_users:
        raise ConfigurationError("token: gmail needs a refresh_token: mail is sent on behalf of a user")
    kind: type[OAuth2Provider] = OAuth2RefreshToken if is_users else OAuth2ClientCredentials
    make: Callable[..., OAuth2Provider] = kind if preset is None else getattr(kind, preset)
    first = {None: "token_url", "gmail": None, "microsoft365": "tenant"}[preset]
    needed = [
        *([first] if first else []),
        "client_id",
        *(["refresh_token"] if is_users else ["client_secret"]),
    ]
    known = [*needed, "client_secret", *(["on_rotation"] if is_users else []), *_OPTIONS]
    for key in values:
        if key not in known:
            raise ConfigurationError(
                f"token: no such key as {key!r}; there are preset, {', '.join(dict.fromkeys(known))}"
            )
    for key in needed:
        if key not in values:
            raise ConfigurationError(f"token: the key {key!r} is missing")
    if is_users:
        values.setdefault("client_secret", None)
    return make(**values)
