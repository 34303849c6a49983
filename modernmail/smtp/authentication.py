"""AUTH: the mechanisms, what goes with the command, and what answers a challenge (RFC 4954).

`open_session` calls `authenticate`, once TLS is as the settings want it.

Rules of the file: a password goes over TLS alone, unless the URL says `tls=off`; no command is longer than any other may
be; a password that was refused is not tried again, and a token once more, if it is another one.
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64

from ..errors import AuthenticationFailed, DeliveryError, SecurityFailed
from .opener import HIDDEN, heard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..receipt import Reply
    from .extensions import Extensions
    from .opener import Opener
    from .settings import Settings

_LONGEST = 512  # octets of a command, its line end included (RFC 5321 4.5.3.1.4)


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
    mechanism = choose_mechanism(extensions.auth, is_token=settings.token is not None)
    if mechanism is None:
        raise SecurityFailed(
            f"{settings.where} offers no AUTH mechanism we know: {', '.join(extensions.auth)}"
        )
    token = None if settings.token is None else await _token(opener, settings)
    reply = await _spoken(opener, settings, mechanism, token)
    if reply.code == 535 and token is not None:
        # The token may have been revoked, or expired between two looks; the same one again would count as an attack.
        forget = getattr(settings.token, "refused", None)
        if forget is not None:
            forget(token)
        another = await _token(opener, settings)
        if another != token:
            reply = await _spoken(opener, settings, mechanism, another)
    if reply.code != 235:
        raise AuthenticationFailed(
            f"{settings.where} did not accept the credentials of {settings.username!r} ({mechanism}): {reply}",
            reply=reply,
            is_transient=reply.is_transient,
        )


def choose_mechanism(offered: tuple[str, ...], *, is_token: bool) -> str | None:
    """Return the mechanism to use, None when none fits.

    >>> choose_mechanism(("LOGIN", "PLAIN", "CRAM-MD5"), is_token=False)
    'PLAIN'
    """
    known = ("OAUTHBEARER", "XOAUTH2") if is_token else ("PLAIN", "LOGIN", "CRAM-MD5")
    return next((mechanism for mechanism in known if mechanism in offered), None)


async def _spoken(opener: Opener, settings: Settings, mechanism: str, token: str | None) -> Reply:
    """Carry out one AUTH exchange and return its last reply."""
    user, password = settings.username or "", settings.password or ""
    if mechanism == "PLAIN":
        first = f"\0{user}\0{password}"
        return await _with_initial_response(opener, mechanism, first, again=first)
    if mechanism == "LOGIN":
        reply = await heard(opener, "AUTH LOGIN", opener.command("AUTH LOGIN"))
        for answer in (user, password):
            if reply.code == 334:
                reply = await _secretly(opener, _base64(answer))
        return reply
    if mechanism == "CRAM-MD5":
        reply = await heard(opener, "AUTH CRAM-MD5", opener.command("AUTH CRAM-MD5"))
        if reply.code != 334:
            return reply
        return await _secretly(opener, _base64(f"{user} {_digest(password, reply)}"))
    if mechanism == "XOAUTH2":
        return await _with_initial_response(
            opener, mechanism, f"user={user}\1auth=Bearer {token}\1\1", again=""
        )
    name = user.replace("=", "=3D").replace(",", "=2C")  # RFC 5801 4: a saslname
    server = f"host={settings.host}\1port={settings.port}"
    first = f"n,a={name},\1{server}\1auth=Bearer {token}\1\1"
    # RFC 7628 3.2.3: a 334 carries an error, to be acknowledged by one octet before the code comes
    return await _with_initial_response(opener, mechanism, first, again="\1")


async def _with_initial_response(opener: Opener, mechanism: str, first: str, *, again: str) -> Reply:
    """Say AUTH with what the mechanism begins with; `again` answers a challenge that comes all the same."""
    command, response = f"AUTH {mechanism}", _base64(first)
    if len(command) + 1 + len(response) + 2 > _LONGEST:
        # RFC 4954 4: the command may not be longer than any other, so the response follows it
        reply = await heard(opener, command, opener.command(command))
        if reply.code != 334:
            return reply
        reply = await _secretly(opener, response)
    else:
        reply = await _secretly(opener, response, after=f"{command} ")
    if reply.code == 334:
        reply = await _secretly(opener, _base64(again))
    return reply


async def _secretly(opener: Opener, secret: str, *, after: str = "") -> Reply:
    """Say a secret, behind what is none; return the answer."""
    return await heard(opener, f"{after}{HIDDEN}", opener.command(f"{after}{secret}"), secret)


async def _token(opener: Opener, settings: Settings) -> str:
    """Return the provider's token, which must be one: a control character would end its field."""
    try:
        token = await opener.token()
    except DeliveryError:
        raise
    except Exception as error:  # whatever it is made of: what it could not do is no fault of the mail server
        why = f"the token provider for {settings.username!r} failed: {type(error).__name__}"
        raise AuthenticationFailed(why, is_transient=True) from error
    # RFC 6750 2.1: b64token
    if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
        raise AuthenticationFailed(
            f"the token provider for {settings.username!r} gave no token: a str of printable ASCII is expected"
        )
    return token


def _digest(password: str, challenge: Reply) -> str:
    """Return the answer to a CRAM-MD5 challenge (RFC 2195)."""
    import hmac

    try:
        text = a2b_base64(challenge.lines[-1], strict_mode=True)
    except ValueError as error:
        raise AuthenticationFailed("the CRAM-MD5 challenge is not base64", reply=challenge) from error
    return hmac.new(password.encode("utf-8"), text, "md5").hexdigest()


def _base64(text: str) -> str:
    return b2a_base64(text.encode("utf-8"), newline=False).decode("ascii")
