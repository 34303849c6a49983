"""What to look at when a server does not let in, or refuses a mail: words behind an error, `advice` and `login_advice`.

Authentication, `session_fault` and `error_for` ask for them.

Rules of the file: it goes by what the server says of itself and of its reason, which is public, and is silent where neither
tells anything. Advice is never an outcome: nothing is tried or left because of it.
"""

from __future__ import annotations

import re
from binascii import a2b_base64

from ..grammar.characters import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..reply import Reply

_FOR_PROGRAMS = "what is wanted is an app password or an OAuth2 token, not the password of the account"
_PASSWORDS_RETIRED = "log in with an OAuth2 token: passwords are not taken any more"

# The first pattern that is found counts.
_OF_LOGINS = (
    ("smtpclientauthentication is disabled", "an administrator has to switch SMTP AUTH on for this mailbox"),
    (r"5\.7\.30\b|basic authentication is (?:disabled|not supported)", _PASSWORDS_RETIRED),
    (
        "security defaults|conditional access",
        "a policy of the organisation forbids it: ask its administrator",
    ),
    (r"^538|encryption required", "it wants TLS first: ?tls=required"),
    ("unauthorized ip", "allow the address of this host in the settings of the account"),
)
_OF_MAIL = (
    (
        r"sendasdenied|5\.7\.60\b|from must equal authori|same as authori[sz]ation user|not owned by (?:auth )?user"
        "|relaying disallowed as",
        "the login may not send as this sender: use its own address, or have it allowed to",
    ),
    ("address is not verified|verified sender identity", "verify the address at the service first"),
    (
        r"relay(?:ing)?(?: access)? (?:denied|not permitted|not allowed|prohibited)|unable to relay|required for relay",
        "it passes mail on for who has logged in, or is in its network",
    ),
    (
        r"too many (?:emails|messages|mails) per|(?:sending|submission) rate|throttling",
        "send more slowly: the layer RateLimit does",
    ),
    ("recipient count exceeds", "?max_recipients= says how many a transaction may have"),
    (r"5\.7\.(?:26|509|515)\b", "the domain in From has to vouch for the mail by SPF, DKIM and DMARC"),
)
_BY_TOKEN = (
    (
        r"5\.7\.3 authentication unsuccessful",
        "the application needs the permission SMTP.Send, or SMTP.SendAsApp and access to this mailbox",
    ),
)
_BY_PASSWORD = (
    (r"gsmtp|support\.google\.com|yahoo\.com|#auth005|mail\.me\.com|iscream", _FOR_PROGRAMS),
    (
        r"5\.7\.139|outlook\.com|office365\.com",
        "the password is wrong, or none is taken: use an OAuth2 token",
    ),
    (
        r"mail\.qq\.com|\.163\.com|\.126\.com|authorization code",
        "what is wanted is the authorization code from the mailbox's settings, not its password",
    ),
    (
        r"amazonaws\.com",
        "what is wanted are the SMTP credentials of this region, not the access keys of the API",
    ),
    (r"sendgrid\.net", "the user is the word apikey, and the password the API key"),
    (r"\bzoho", "the host is that of the account's region; with two factors it wants an app password"),
    ("^535", "some services want an app password or an OAuth2 token in place of the account's password"),
)
_SHOWN = 200  # characters of what a challenge says


def advice(reply: Reply) -> str:
    """Return what to look at behind a refusal of a mail, in brackets and with a blank before; "" where nothing is known.

    >>> from modernmail.reply import Reply
    >>> advice(Reply(554, ["5.7.1 <zoe@example.com>: Relay access denied"]))
    ' (it passes mail on for who has logged in, or is in its network)'
    """
    return _first(str(reply), (*_OF_LOGINS, *_OF_MAIL))


def login_advice(reply: Reply, where: str, *, is_token: bool) -> str:
    """Return the same behind a refusal of a login; `where` is the host, and what the server calls itself.

    >>> from modernmail.reply import Reply
    >>> login_advice(Reply(535, ["Authentication failed"]), "smtp.sendgrid.net", is_token=False)
    ' (the user is the word apikey, and the password the API key)'
    """
    return _first(f"{reply}\n{where}", (*_OF_LOGINS, *(_BY_TOKEN if is_token else _BY_PASSWORD)))


def _first(said: str, known: tuple[tuple[str, str], ...]) -> str:
    return next((f" ({text})" for pattern, text in known if re.search(pattern, said, re.IGNORECASE)), "")


def explained(challenge: Reply | None, token: str | None) -> str:
    """Return what the challenge of a refused token says (RFC 7628 3.2.2), in brackets; "" for what says nothing.

    What repeats the token is left out.

    >>> from base64 import b64encode
    >>> from modernmail.reply import Reply
    >>> explained(Reply(334, [b64encode(b'{"status": "401", "scope": "mail"}')]), "ya29.a0")
    ' (status 401, scope mail)'
    """
    if challenge is None:
        return ""
    import json

    try:
        said = json.loads(a2b_base64(challenge.lines[-1]))
    except (ValueError, RecursionError):
        return ""
    if not isinstance(said, dict):
        return ""
    words = [f"{name} {said[name]}" for name in ("status", "scope") if isinstance(said.get(name), str)]
    words = [word for word in words if not token or token not in word]
    return f" ({printable(', '.join(words))[:_SHOWN]})" if words else ""
