"""How a session is opened: greeting, EHLO, STARTTLS, AUTH, as one conversation over either library (RFC 5321, 3207).

The wires call `open_session` with an `Opener` of theirs.

Rules of the file: no credential leaves before TLS is up and verified, unless the URL says `tls=off` or `verify=off` in
so many words; what was offered before STARTTLS is forgotten (RFC 3207 4.2).
"""

from __future__ import annotations

import re

from ..errors import ConnectFailed, SecurityFailed
from .authentication import authenticate
from .extensions import Extensions
from .opener import heard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..reply import Reply
    from .opener import Opener
    from .settings import Settings

_NAME = " (?ehlo= sets the name that we greet with)"
_NOT_UNDERSTOOD = (500, 502, 504)
_MASKED = re.compile("X{6,}[A-Z]?")  # Cisco's PIX and ASA keep the length of a keyword that they take out


async def open_session(opener: Opener, settings: Settings) -> Extensions:
    """Greet, secure and authenticate; return what the server offers now.

    Raises `ConnectFailed`, `SecurityFailed` or `AuthenticationFailed`.
    """
    greeting = await heard(opener, None, opener.connect())
    if greeting.code != 220:
        raise ConnectFailed(
            f"{settings.where} does not take connections: {greeting}",
            reply=greeting,
            is_transient=greeting.is_transient,
        )
    extensions, refusal = await _hello(opener, settings)
    if not opener.is_tls and settings.tls in ("required", "opportunistic"):
        if extensions.starttls:
            opener.said.append("> STARTTLS")
            await opener.start_tls()
            extensions, refusal = await _hello(opener, settings)
        elif settings.tls == "required":
            raise SecurityFailed(_no_starttls(settings, extensions, refusal))
    if settings.username is not None:
        if refusal is not None:
            raise SecurityFailed(
                f"{settings.where} offers no AUTH, as it knows HELO alone; to EHLO it said {refusal}{_NAME}"
            )
        await authenticate(opener, settings, extensions)
    return extensions


async def _hello(opener: Opener, settings: Settings) -> tuple[Extensions, Reply | None]:
    """Greet; return what the server offers, and what it refused EHLO with if it knows HELO alone."""
    refusal = await heard(opener, "LHLO" if settings.is_lmtp else "EHLO", opener.ehlo())
    if refusal.is_positive:
        return Extensions.of(refusal).without(settings.ignore), None
    if refusal.code >= 500 and not settings.is_lmtp:
        # RFC 5321 3.2: a server that does not know EHLO may still know HELO, and says so by more codes than 500 and 502
        try:
            reply = await heard(opener, "HELO", opener.helo())
        except Exception as error:  # whatever it is made of: it has closed, and EHLO's refusal says why
            if refusal.code in _NOT_UNDERSTOOD:
                raise
            raise _not_greeted(settings, refusal) from error
        if reply.is_positive:
            return Extensions({}, reply.text), refusal
        if refusal.code in _NOT_UNDERSTOOD:
            refusal = reply
    raise _not_greeted(settings, refusal)


def _not_greeted(settings: Settings, refusal: Reply) -> ConnectFailed:
    return ConnectFailed(
        f"{settings.where} refused the greeting: {refusal}{_NAME}",
        reply=refusal,
        is_transient=refusal.is_transient,
    )


def _no_starttls(settings: Settings, extensions: Extensions, refusal: Reply | None) -> str:
    where = settings.where
    if refusal is not None:
        return (
            f"{where} does not offer STARTTLS, as it knows HELO alone; to EHLO it said {refusal}{_NAME}; "
            "if mail may go there in clear, say ?tls=off in the URL"
        )
    masked = next((keyword for keyword in extensions.offered if _MASKED.fullmatch(keyword)), None)
    if masked is not None:
        return (
            f"{where} does not offer STARTTLS: something in between has written {masked} over it, as a firewall does "
            "that inspects SMTP; have that switched off, or use smtps://, where there is nothing to write over"
        )
    return (
        f"{where} does not offer STARTTLS; if mail may go there in clear, say ?tls=off in the URL "
        "(?tls=opportunistic to use it when offered)"
    )
