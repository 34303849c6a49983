"""The two grants that mail needs: the application's own (client credentials), and a user's (refresh token); with presets.

Rules of the file: a preset is the addresses and scopes of one provider, and nothing else.
"""

from __future__ import annotations

import re

from ..errors import ConfigurationError
from .given import required
from .provider import OAuth2Provider

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

_MICROSOFT = "https://login.microsoftonline.com/{}/oauth2/v2.0/token"
_GOOGLE = "https://oauth2.googleapis.com/token"
_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")


class OAuth2ClientCredentials(OAuth2Provider):
    """Tokens of the application itself (RFC 6749 4.4); the arguments are those of `OAuth2Provider`.

    >>> from modernmail import Mailer
    >>> token = OAuth2ClientCredentials.microsoft365("contoso.onmicrosoft.com", "client-id", "client-secret")
    >>> mailer = Mailer("smtp://smtp.office365.com", username="shop@contoso.com", token=token)
    """

    def __init__(self, token_url: str, client_id: str, client_secret: str, **options: Any) -> None:
        super().__init__(token_url, client_id, required("client_secret", client_secret), **options)

    @classmethod
    def microsoft365(
        cls, tenant: str, client_id: str, client_secret: str, **options: Any
    ) -> OAuth2ClientCredentials:
        """Return the provider for Exchange Online: the application needs the permission SMTP.SendAsApp.

        `tenant` is the directory's id or domain.
        """
        scope = "https://outlook.office365.com/.default"
        return cls(_microsoft(tenant), client_id, client_secret, **({"scope": scope} | options))

    def _form(self) -> dict[str, str]:
        return {"grant_type": "client_credentials"}


class OAuth2RefreshToken(OAuth2Provider):
    """Tokens on behalf of a user who agreed once (RFC 6749 6); further arguments are those of `OAuth2Provider`.

    An endpoint may replace the refresh token at each request: from then on the new one is used, and `on_rotation` is
    called with it, so that the next start of the program has it too. When it raises, that is logged, the mail goes, and it is
    called again at the next request.

    >>> from modernmail import Mailer
    >>> token = OAuth2RefreshToken.gmail("client-id", "client-secret", "refresh-token", on_rotation=print)
    >>> mailer = Mailer("smtp://smtp.gmail.com", username="me@gmail.com", token=token)
    """

    def __init__(
        self,
        token_url: str,
        client_id: str,
        client_secret: str | None,
        refresh_token: str,
        *,
        on_rotation: Callable[[str], object] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(token_url, client_id, client_secret, **options)
        self._refresh_token = required("refresh_token", refresh_token)
        if on_rotation is not None:
            from inspect import iscoroutinefunction

            if not callable(on_rotation) or iscoroutinefunction(on_rotation):
                raise ConfigurationError(
                    "on_rotation: must be a function that takes the new refresh token, and no async one"
                )
        self._on_rotation = on_rotation
        self._is_unsaved = False

    @classmethod
    def microsoft365(
        cls, tenant: str, client_id: str, client_secret: str | None, refresh_token: str, **options: Any
    ) -> OAuth2RefreshToken:
        """Return the provider for Exchange Online and Outlook.com; a public client has no secret (None).

        `tenant` is the directory's id or domain, or `"common"`.
        """
        scope = "https://outlook.office.com/SMTP.Send offline_access"
        return cls(
            _microsoft(tenant), client_id, client_secret, refresh_token, **({"scope": scope} | options)
        )

    @classmethod
    def gmail(
        cls, client_id: str, client_secret: str, refresh_token: str, **options: Any
    ) -> OAuth2RefreshToken:
        """Return the provider for Gmail: the user agreed to the scope `https://mail.google.com/`."""
        return cls(_GOOGLE, client_id, client_secret, refresh_token, **options)

    def _form(self) -> dict[str, str]:
        return {"grant_type": "refresh_token", "refresh_token": self._refresh_token}

    def _secrets(self) -> tuple[str, ...]:
        return (*super()._secrets(), self._refresh_token)

    def _took(self, answer: Mapping[str, Any]) -> None:
        fresh = answer.get("refresh_token")
        if isinstance(fresh, str) and fresh and fresh != self._refresh_token:
            self._refresh_token, self._is_unsaved = fresh, True
        if self._is_unsaved and self._on_rotation is not None:
            try:
                self._on_rotation(self._refresh_token)
            except Exception as error:  # noqa: BLE001  # whatever the caller's own function does
                import logging

                # Its message is not ours, and may hold the token.
                logging.getLogger("modernmail").error(
                    "%r: on_rotation raised %s, so that the new refresh token is not saved",
                    self,
                    type(error).__name__,
                )
                return
        self._is_unsaved = False


def _microsoft(tenant: str) -> str:
    if not isinstance(tenant, str) or not _TENANT.fullmatch(tenant):
        raise ConfigurationError(f"tenant={tenant!r}: must be the id or a domain of the directory")
    return _MICROSOFT.format(tenant)
