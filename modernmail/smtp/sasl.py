"""One AUTH exchange: what goes with the command, and what answers a challenge (RFC 4954, 4616, 2195, 7628).

`authenticate` calls `spoken` for each mechanism that it tries.

Rules of the file: no command is longer than any other may be; what a secret stands in is never kept, nor are the frames of
an error here: programs that report errors show their variables.
"""

from __future__ import annotations

import sys
from binascii import a2b_base64, b2a_base64

from ..errors import AuthenticationFailed
from .opener import HIDDEN, heard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..reply import Reply
    from .opener import Opener
    from .settings import Settings

_LONGEST = 512  # octets of a command, its line end included (RFC 5321 4.5.3.1.4)


class Hidden:
    """A secret as a variable: what shows it shows `…`."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return HIDDEN


async def spoken(
    opener: Opener, settings: Settings, mechanism: str, token: Hidden | None
) -> tuple[Reply, Reply | None]:
    """Carry out one AUTH exchange; return its last reply, and the challenge that came before it although all was said."""
    before = sys.exception()  # what the caller handles keeps its frames
    try:
        return await _spoken(opener, settings, mechanism, None if token is None else token.text)
    except BaseException as error:
        _forget_frames(error, before)
        raise


def _forget_frames(error: BaseException, before: BaseException | None) -> None:
    """Let an error and those that it came from, down to the one before, forget where they were raised."""
    left: list[BaseException | None] = [error]
    while left:
        one = left.pop()
        if one is not None and one is not before and one.__traceback__ is not None:
            one.__traceback__ = None
            left += (one.__cause__, one.__context__)


async def _spoken(
    opener: Opener, settings: Settings, mechanism: str, token: str | None
) -> tuple[Reply, Reply | None]:
    user, password = settings.username or "", settings.password or ""
    if mechanism == "PLAIN":
        first = f"\0{user}\0{password}"
        return await _with_initial_response(opener, mechanism, first, again=first)
    if mechanism == "LOGIN":
        # Its prompts are no standard's: whatever they say, the first asks for the user and the second for the password.
        reply = await heard(opener, "AUTH LOGIN", opener.command("AUTH LOGIN"))
        for answer in (user, password):
            if reply.code == 334:
                reply = await _secretly(opener, _base64(answer))
        return reply, None
    if mechanism == "CRAM-MD5":
        reply = await heard(opener, "AUTH CRAM-MD5", opener.command("AUTH CRAM-MD5"))
        if reply.code != 334:
            return reply, None
        return await _secretly(opener, _base64(f"{user} {_digest(password, reply)}")), None
    if mechanism == "XOAUTH2":
        return await _with_initial_response(
            opener, mechanism, f"user={user}\1auth=Bearer {token}\1\1", again=""
        )
    name = user.replace("=", "=3D").replace(",", "=2C")  # RFC 5801 4: a saslname
    server = f"host={settings.host}\1port={settings.port}"
    first = f"n,a={name},\1{server}\1auth=Bearer {token}\1\1"
    # RFC 7628 3.2.3: a 334 carries an error, to be acknowledged by one octet before the code comes
    return await _with_initial_response(opener, mechanism, first, again="\1")


async def _with_initial_response(
    opener: Opener, mechanism: str, first: str, *, again: str
) -> tuple[Reply, Reply | None]:
    """Say AUTH with what the mechanism begins with; `again` answers a challenge that comes all the same."""
    command, response = f"AUTH {mechanism}", _base64(first)
    if len(command) + 1 + len(response) + 2 > _LONGEST:
        # RFC 4954 4: the command may not be longer than any other, so the response follows it
        reply = await heard(opener, command, opener.command(command))
        if reply.code != 334:
            return reply, None
        reply = await _secretly(opener, response, is_read=True)
    else:
        reply = await _secretly(opener, response, after=f"{command} ", is_read=True)
    if reply.code != 334:
        return reply, None
    return await _secretly(opener, _base64(again), hides=response), reply


async def _secretly(
    opener: Opener, secret: str, *, after: str = "", hides: str | None = None, is_read: bool = False
) -> Reply:
    """Say a secret, in base64 and behind what is none; return the answer, without it or what it `hides` instead."""
    answer = opener.command(f"{after}{secret}")
    return await heard(
        opener, f"{after}{HIDDEN}", answer, secret if hides is None else hides, is_read=is_read
    )


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
