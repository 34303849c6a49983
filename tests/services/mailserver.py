"""What Postfix, Exim and OpenSMTPD have in common: they take mail, queue it, and deliver it to maildirs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .process import LOOPBACK, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from .maildir import Delivered, Maildirs
    from .process import Log


def holds_files(*folders: Path, ending: str = "") -> bool:
    """Whether a file whose name ends so is below any of the folders, looked at in this order; they may go meanwhile."""
    return any(
        name.endswith(ending) for folder in folders for _, _, names in os.walk(folder) for name in names
    )


class MailServer:
    """A server's plain SMTP `port`, its `log`, and what it `delivered()`."""

    port: int
    log: Log
    maildirs: Maildirs

    def has_queued(self) -> bool:
        """Whether anything that was taken is not delivered yet."""
        raise NotImplementedError

    def settle(self, *, timeout: float = 60) -> None:
        """Return once the queue is empty: all that was taken is delivered."""
        wait_until(
            lambda: not self.has_queued(), f"the queue of {type(self).__name__} is empty", timeout=timeout
        )

    def delivered(self) -> list[Delivered]:
        """Return every delivered message, oldest first, after the queue has emptied."""
        self.settle()
        return list(self.maildirs)

    def renew(self) -> None:
        """Forget what was delivered and logged: a test begins."""
        self.settle()
        self.maildirs.clear()
        self.log.mark()

    @property
    def url(self) -> str:
        """The address of the plain port, as a mailer takes it."""
        return f"smtp://{LOOPBACK}:{self.port}"
