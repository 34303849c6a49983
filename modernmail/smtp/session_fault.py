"""A refusal that is about the session and not about the mail: `session_fault`.

The transaction asks for each refusal.

Rules of the file: what every other mail would be told, too, is never final for a recipient. 530 says so by its code (RFC 4954
6) at any command; other codes are believed at MAIL alone, where nothing of the mail but its sender is known yet.
"""

from __future__ import annotations

import re

from ..errors import AuthenticationFailed, SecurityFailed
from .login_advice import advice

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


def session_fault(reply: Reply, phase: str) -> DeliveryError | None:
    """Return the error when a refusal in this phase is about the session; None when it is about the mail.

    >>> from modernmail.receipt import Reply
    >>> type(session_fault(Reply(451, ["5.7.3 STARTTLS is required to send mail"]), "mail")).__name__
    'SecurityFailed'
    """
    text = reply.text
    is_believed = reply.code == 530 or phase == "mail"
    if is_believed and _WANTS_TLS.search(text):
        return SecurityFailed(f"the server takes mail over TLS only (?tls=required): {reply}", reply=reply)
    if reply.code == 530 or reply.enhanced in _NOT_LOGGED_IN or (is_believed and _WANTS_LOGIN.search(text)):
        told = advice(reply, is_token=False, is_at_login=False)
        why = f"the server wants a user and a password before it takes mail: {reply}{told}"
        return AuthenticationFailed(why, reply=reply)
    return None
