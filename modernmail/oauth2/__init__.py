"""OAuth2 tokens for SMTP: providers that fetch a token, keep it, and fetch the next one in time (RFC 6749, 7628).

`Mailer(url, username=…, token=OAuth2RefreshToken.gmail(…))`. `provider` keeps tokens and lets one caller fetch for all;
`grants` says what is asked for, with presets; `endpoint` speaks HTTP; `settings` reads a mapping of a configuration.
"""

from __future__ import annotations

from .grants import OAuth2ClientCredentials, OAuth2RefreshToken
from .provider import OAuth2Provider

__all__ = ["OAuth2ClientCredentials", "OAuth2Provider", "OAuth2RefreshToken"]
