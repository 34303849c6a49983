"""What the previews were kept from loading, as their browsers report it."""

from __future__ import annotations

import hmac
import secrets
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from modernmail.csp.asgi import ReportCollector

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from modernmail.csp import Report

MOST_MAILS = 1_000
MOST_REPORTS = 500  # different ones, for one mail


class Blocked:
    """The addresses that were blocked, for each of the last mails that were looked at.

    Anybody may post a report, so only one with the mail's own token counts.
    """

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self._found: OrderedDict[str, dict[tuple[str, str], None]] = OrderedDict()
        self._lock = threading.Lock()

    def token(self, mail_id: str) -> str:
        """Return what a report about this mail must carry."""
        return hmac.digest(self._secret, mail_id.encode(), "sha256").hex()[:32]

    def accepts(self, mail_id: str, token: str) -> bool:
        """Return whether the token is the mail's."""
        return hmac.compare_digest(self.token(mail_id).encode(), token.encode())

    def add(self, mail_id: str, report: Report) -> bool:
        """Note a report; return whether it says something new."""
        entry = (report.directive, report.blocked_uri)
        with self._lock:
            found = self._found.setdefault(mail_id, {})
            self._found.move_to_end(mail_id)
            if entry in found or len(found) >= MOST_REPORTS:
                return False
            found[entry] = None
            while len(self._found) > MOST_MAILS:
                self._found.popitem(last=False)
            return True

    def of(self, mail_id: str) -> list[tuple[str, str]]:
        """Return directive and address of what was blocked in this mail, in the order it was reported."""
        with self._lock:
            return list(self._found.get(mail_id, ()))


class BlockedReports:
    """The ASGI application at `/blocked/{id}/{token}`: takes reports, and calls `tell` when one is news."""

    def __init__(self, blocked: Blocked, tell: Callable[[str], None]) -> None:
        self.blocked = blocked
        self.tell = tell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one report."""
        mail_id, token = scope["path_params"]["id"], scope["path_params"]["token"]

        def note(report: Report) -> None:
            if self.blocked.accepts(mail_id, token) and self.blocked.add(mail_id, report):
                self.tell(mail_id)

        await ReportCollector(note)(scope, receive, send)
