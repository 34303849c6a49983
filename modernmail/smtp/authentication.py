"""AUTH: which mechanism, whether it may be spoken here, and what a refusal means (RFC 4954).

`open_session` calls `authenticate`, once TLS is as the settings want it.

Rules of the file: a password goes over TLS alone, unless the URL says `tls=off`. A password that was refused is not tried
again, and a token once more, if it is another one; where the mechanism was refused, and nobody has judged the password,
the next one is tried.
"""

from __future__ import annotations

from ..errors import AuthenticationFailed, DeliveryError, SecurityFailed
from .advice import explained, login_advice
from .credentials import PASSWORDS, TOKENS
from .sasl import Hidden, spoken

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..reply import Reply
    from .extensions import Extensions
    from .opener import Opener
    from .settings import Settings


async def authenticate(opener: Opener, settings: Settings, extensions: Extensions) -> None:
    """Log in. Raises `SecurityFailed` when that cannot be done safely, `AuthenticationFailed` when it is refused."""
    if not opener.is_tls and settings.tls != "off":
        raise SecurityFailed(
            f"the password for {settings.where} would go in clear: the connection has no TLS; "
            "use a server with TLS, or say ?tls=off in the URL"
        )
    if not extensions.auth:
        raise SecurityFailed(
            f"{settings.where} offers no AUTH, and a username is given (programs log in on port 587, or on 465 by "
            "smtps://; if mail goes there without a login, leave the user out)"
        )
    is_token = settings.token is not None
    left = usable(extensions.auth, is_token=is_token, wanted=settings.auth)
    if not left:
        raise SecurityFailed(_none_usable(settings, extensions.auth))
    mechanism, *left = left
    token = await _token(opener, settings) if is_token else None
    reply, challenge = await spoken(opener, settings, mechanism, token)
    if reply.code == 535 and token is not None:
        # The token may have been revoked, or expired between two looks; the same one again would count as an attack.
        forget = getattr(settings.token, "refused", None)
        if forget is not None:
            forget(token.text)
        another = await _token(opener, settings)
        if another.text != token.text:
            token = another
            reply, challenge = await spoken(opener, settings, mechanism, token)
    try:
        while not reply.is_positive and (other := _instead(reply, left)):
            del left[: left.index(other) + 1]
            mechanism = other
            reply, challenge = await spoken(opener, settings, mechanism, token)
    except DeliveryError:
        raise
    except Exception as error:
        # Whatever it is made of: it has closed, so that the refusal is the last that was said.
        raise _refused(settings, extensions, mechanism, reply, _explained(challenge, token), left) from error
    if not reply.is_positive:
        raise _refused(settings, extensions, mechanism, reply, _explained(challenge, token), left)


def usable(offered: tuple[str, ...], *, is_token: bool, wanted: str | None = None) -> list[str]:
    """Return the mechanisms that fit, in the order of preference.

    >>> usable(("LOGIN", "PLAIN", "NTLM"), is_token=False)
    ['PLAIN', 'LOGIN']
    """
    known = TOKENS if is_token else PASSWORDS
    return [name for name in known if name in offered and wanted in (None, name)]


def _instead(reply: Reply, left: list[str]) -> str | None:
    """Return the mechanism to try after a refusal that says nothing about the password; None when it does."""
    if reply.code == 534:
        # RFC 4954 6: the mechanism is too weak; only one that keeps the password to itself is stronger
        return "CRAM-MD5" if "CRAM-MD5" in left else None
    is_about_command = reply.code == 504 or (
        reply.code in (500, 501, 502) and not (reply.enhanced or "").startswith("5.7.")
    )
    return left[0] if left and is_about_command else None


def _none_usable(settings: Settings, offered: tuple[str, ...]) -> str:
    where, names = settings.where, ", ".join(offered)
    if settings.auth is not None:
        return f"{where} does not offer AUTH {settings.auth}, as the URL wants it, but {names}"
    if settings.token is not None and usable(offered, is_token=False):
        return f"{where} takes no token, but a password: it offers AUTH {names}"
    if settings.token is None and usable(offered, is_token=True):
        return f"{where} takes no password, but an OAuth2 token (token=…): it offers AUTH {names}"
    windows = " (Windows logins: Exchange has to offer Basic authentication on this port, or log in on 587)"
    is_windows = {"NTLM", "GSSAPI"} & {*offered}
    return f"{where} offers no AUTH mechanism we know: {names}{windows if is_windows else ''}"


def _refused(
    settings: Settings,
    extensions: Extensions,
    mechanism: str,
    reply: Reply,
    why: str,
    left: list[str],
) -> AuthenticationFailed:
    told = login_advice(reply, f"{settings.host} {extensions.greeting}", is_token=settings.token is not None)
    if not told and left and reply.code >= 500 and reply.code not in (525, 530, 534, 535, 538):
        told = f" (it offers {', '.join(left)}, too: ?auth={left[0]})"
    return AuthenticationFailed(
        f"{settings.where} did not accept the credentials of {settings.username!r} ({mechanism}): "
        f"{reply}{why}{told}",
        reply=reply,
        is_transient=reply.is_transient,
    )


def _explained(challenge: Reply | None, token: Hidden | None) -> str:
    return explained(challenge, None if token is None else token.text)


async def _token(opener: Opener, settings: Settings) -> Hidden:
    """Return the provider's token, which must be one: a control character would end its field."""
    try:
        token = Hidden(await opener.token())
    except DeliveryError:
        raise
    except Exception as error:  # whatever it is made of: what it could not do is no fault of the mail server
        why = f"the token provider for {settings.username!r} failed: {type(error).__name__}"
        raise AuthenticationFailed(why, is_transient=True) from error
    if not _is_token(token.text):
        raise AuthenticationFailed(
            f"the token provider for {settings.username!r} gave no token: a str of printable ASCII is expected"
        )
    return token


def _is_token(text: object) -> bool:
    # RFC 6750 2.1: b64token
    return isinstance(text, str) and text != "" and text.isascii() and text.isprintable()
