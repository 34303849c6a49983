"""What a refusal means: for a recipient, for the transaction, or for the session.

The transaction asks for each; LMTP for each recipient's at the end of a content.

Rules of the file: pure. What every other mail would be told, too, is never final for a recipient: 530 says so by its code (RFC
4954 6) at any command; other codes are believed at MAIL alone, where nothing of the mail but its sender is known yet.
"""

from __future__ import annotations

import re

from ..errors import AuthenticationFailed, ConnectFailed, SecurityFailed
from ..outcome import Outcome
from .advice import advice
from .replies import WireFault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..errors import DeliveryError
    from ..reply import Reply

# Exchange's own codes for it; no other server has them.
_NOT_LOGGED_IN = ("5.7.30", "5.7.57", "5.7.139")
# 451 STARTTLS is required to send mail (Microsoft 365); 530 A secure connection is requiered (QQ).
_WANTS_TLS = re.compile(r"starttls|(?:secure|encrypted) connection|session encryption", re.IGNORECASE)
# 553 authentication is required (163), 503 need EHLO and AUTH first (QQ), 550 Unauthenticated senders (SendGrid)
_WANTS_LOGIN = re.compile(
    r"authenti\w+ (?:is )?required|must authenticate|need\b.{0,20}\bAUTH\b|unauthenticated senders|not authenticated",
    re.IGNORECASE,
)

_MAILED_ENOUGH = re.compile(
    r"too many (?:messages|e-?mails|mails|transactions)\b.{0,40}\b(?:session|connection)\b", re.IGNORECASE
)


def refused(reply: Reply, phase: str, *, status: str | None = None) -> Outcome:
    """Return the outcome of a 4xx or 5xx reply; a lower one is a `WireFault`."""
    if reply.code < 400:
        raise WireFault("protocol", f"{reply.code} cannot answer {phase.upper()}")
    if status == "deferred" or reply.code < 500:
        return Outcome("deferred", reply=reply, phase=phase)
    return Outcome("rejected", reply=reply, phase=phase)


def is_too_many(reply: Reply) -> bool:
    """Return whether a refusal says that the transaction has recipients enough, and not that this one is bad."""
    enhanced = reply.enhanced
    if enhanced is not None and enhanced[2:] == "5.3":  # RFC 3463 3.6
        return True
    # RFC 5321 4.5.3.1.10: 452, and 552 from old servers, which also say it of a mailbox or a disk that is full
    if reply.code in (452, 552) and (enhanced is None or enhanced[2] not in "23"):
        return True
    return "too many recipients" in reply.text.lower()


def is_parting(reply: Reply) -> bool:
    """Return whether a reply to MAIL ends the session, as 421 does.

    Amazon SES says 451 4.4.2 to who was idle for long, and closes; others have codes of their own for "too many messages in
    this session", and take the mail in the next.

    >>> from modernmail.reply import Reply
    >>> is_parting(Reply(452, ["4.5.3 Too many messages in this session"]))
    True
    """
    if reply.code == 421 or (reply.code == 451 and reply.enhanced == "4.4.2"):
        return True
    return reply.code >= 400 and _MAILED_ENOUGH.search(reply.text) is not None


def is_unheard(reply: Reply) -> bool:
    """Return whether a reply to MAIL says that the server has not read it as MAIL, or not where it stands."""
    if reply.code in (500, 502, 503):
        return True
    return (
        reply.code >= 500 and re.search("pipelin|synchroni[sz]ation", reply.text, re.IGNORECASE) is not None
    )


def session_fault(reply: Reply, phase: str) -> DeliveryError | None:
    """Return the error when a refusal in this phase is about the session; None when it is about the mail.

    >>> from modernmail.reply import Reply
    >>> type(session_fault(Reply(451, ["5.7.3 STARTTLS is required to send mail"]), "mail")).__name__
    'SecurityFailed'
    """
    text = reply.text
    is_believed = reply.code == 530 or phase == "mail"
    if is_believed and _WANTS_TLS.search(text):
        return SecurityFailed(f"the server takes mail over TLS only (?tls=required): {reply}", reply=reply)
    if reply.code == 530 or reply.enhanced in _NOT_LOGGED_IN or (is_believed and _WANTS_LOGIN.search(text)):
        why = f"the server wants a user and a password before it takes mail: {reply}{advice(reply)}"
        return AuthenticationFailed(why, reply=reply)
    if phase == "mail" and reply.code == 503:
        return ConnectFailed(f"the server takes no mail in this session: {reply}{advice(reply)}", reply=reply)
    return None
