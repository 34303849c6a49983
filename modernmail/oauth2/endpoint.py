"""One request to a token endpoint, by the standard library (RFC 6749 3.2): what it answered, or our own error.

A provider's thread calls `asked`; it blocks.

Rules of the file: TLS is verified, and no redirect is followed, since the form holds secrets; the answer is bounded; an
error shows what the endpoint says of itself, never what was sent.
"""

from __future__ import annotations

import json
import ssl
from http.client import HTTPException
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import (
    HTTPRedirectHandler,
    HTTPSHandler,
    ProxyHandler,
    Request,
    build_opener,
)

from ..errors import AuthenticationFailed, ConnectFailed, SecurityFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from http.client import HTTPResponse
    from typing import Any
    from urllib.request import BaseHandler

_MOST = 65_536  # octets of an answer
_SHOWN = 200  # characters of an error's description
# RFC 6749 4.1.2.1 and RFC 8628 3.5: these say nothing about the credentials
_PASSING = ("temporarily_unavailable", "server_error", "slow_down")


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


def asked(
    url: str,
    form: Mapping[str, str],
    *,
    headers: Mapping[str, str],
    timeout: float,
    ca: str | None,
    secrets: Iterable[str],
) -> dict[str, Any]:
    """Return the members of the answer, `access_token` among them.

    Raises `AuthenticationFailed` for what will be refused again, `ConnectFailed` (transient) for an endpoint that cannot be
    reached or cannot answer now, `SecurityFailed` for a certificate that is not valid.
    """
    where = urlsplit(url).netloc
    body = urlencode(form).encode("ascii")
    request = Request(  # noqa: S310  # the provider has checked that it is https
        url, body, {**headers, "Accept": "application/json", "User-Agent": "modernmail"}, method="POST"
    )
    handlers: list[BaseHandler] = [_NoRedirects()]
    if url.startswith("https:"):
        context = ssl.create_default_context(cafile=ca)
        context.hostname_checks_common_name = False  # RFC 9525 2, as for servers of mail
        handlers.append(HTTPSHandler(context=context))
    else:
        handlers.append(ProxyHandler({}))  # this machine: no proxy is to see it
    try:
        try:
            with build_opener(*handlers).open(request, timeout=timeout) as response:
                status, octets = _read(response)
        except HTTPError as error:
            with error:
                status, octets = error.code, error.read(_MOST + 1)
    except (OSError, HTTPException) as error:
        raise _unreached(where, error) from None
    if len(octets) > _MOST:
        raise AuthenticationFailed(f"{where} is no token endpoint: its answer has over {_MOST} octets")
    return _judged(where, status, octets, secrets)


def _read(response: HTTPResponse) -> tuple[int, bytes]:
    return response.status, response.read(_MOST + 1)


def _unreached(where: str, error: OSError | HTTPException) -> ConnectFailed | SecurityFailed:
    reason = error.reason if isinstance(error, URLError) else error
    if isinstance(reason, ssl.SSLError):
        why = getattr(reason, "verify_message", "") or reason.reason or "TLS failed"
        is_certificate = isinstance(reason, ssl.SSLCertVerificationError)
        return SecurityFailed(
            f"TLS with the token endpoint {where} failed: {why}", is_transient=not is_certificate
        )
    why = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    return ConnectFailed(f"the token endpoint {where} cannot be reached: {why}", is_transient=True)


def _judged(where: str, status: int, octets: bytes, secrets: Iterable[str]) -> dict[str, Any]:
    try:
        answer = json.loads(octets)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        answer = {}
    said = answer.get("error")
    if status == 200 and said is None:
        token = answer.get("access_token")
        kind = answer.get("token_type", "Bearer")
        if (
            not isinstance(token, str)
            or not token.isascii()
            or not token.isprintable()
            or " " in token
            or not token
        ):
            raise AuthenticationFailed(f"{where} is no token endpoint: its answer has no access_token")
        if not isinstance(kind, str) or kind.lower() != "bearer":
            raise AuthenticationFailed(f"{where} gives no bearer token, and SMTP knows no other")
        return answer
    why = _why(status, answer, secrets)
    if said in _PASSING or status in (408, 425, 429) or status >= 500:
        raise ConnectFailed(f"the token endpoint {where} cannot answer now: {why}", is_transient=True)
    if 300 <= status < 400:
        raise AuthenticationFailed(
            f"the token endpoint {where} redirects, which is not followed: {why}; give its real address"
        )
    raise AuthenticationFailed(f"the token endpoint {where} gives no token: {why}")


def _why(status: int, answer: Mapping[str, Any], secrets: Iterable[str]) -> str:
    """Return what an answer says of its error, without anything secret that it repeats."""
    said, description = answer.get("error"), answer.get("error_description")
    words = [str(word) for word in (said, description) if isinstance(word, str) and word]
    text = ": ".join(words) or f"HTTP status {status}"
    for secret in secrets:
        if secret:
            text = text.replace(secret, "…")
    text = "".join([char if char.isprintable() else " " for char in text])
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
