"""How a session is opened: greeting, EHLO, STARTTLS, AUTH, as one conversation over either library (RFC 5321, 3207).

The wires call `open_session` with an `Opener` of theirs.

Rules of the file: no credential leaves before TLS is up and verified, unless the URL says `tls=off` or `verify=off` in
so many words; what was offered before STARTTLS is forgotten (RFC 3207 4.2).
"""

from __future__ import annotations

from ..errors import ConnectFailed, SecurityFailed
from .authentication import authenticate
from .extensions import Extensions
from .opener import heard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .opener import Opener
    from .settings import Settings


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
    extensions = await _hello(opener, settings)
    if not opener.is_tls and settings.tls in ("required", "opportunistic"):
        if extensions.starttls:
            opener.said.append("> STARTTLS")
            await opener.start_tls()
            extensions = await _hello(opener, settings)
        elif settings.tls == "required":
            raise SecurityFailed(
                f"{settings.where} does not offer STARTTLS; if mail may go there in clear, say ?tls=off in the URL "
                "(?tls=opportunistic to use it when offered)"
            )
    if settings.username is not None:
        await authenticate(opener, settings, extensions)
    return extensions


async def _hello(opener: Opener, settings: Settings) -> Extensions:
    reply = await heard(opener, "LHLO" if settings.is_lmtp else "EHLO", opener.ehlo())
    if reply.is_positive:
        return Extensions.of(reply)
    if reply.code in (500, 502, 504, 550) and not settings.is_lmtp:
        # RFC 5321 3.2: a server that does not know EHLO may still know HELO
        reply = await heard(opener, "HELO", opener.helo())
        if reply.is_positive:
            return Extensions({}, reply.text)
    raise ConnectFailed(
        f"{settings.where} refused the greeting: {reply}", reply=reply, is_transient=reply.is_transient
    )
