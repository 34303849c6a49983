"""How far commands are sent together to a server: `Reach`, which what it loses shortens for as long as the backend lives.

The receipts of a burst ask before they make a pipeline, and tell of what one lost.

Rules of the file: it begins as far as PIPELINING goes, and never grows again; each step is told once, to the log.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

_CHANCE = 2  # closes behind a first content that are no chance any more


class Reach:
    """Whether the commands of a mail go together (`to_mail`), and with the content of the mail before (`to_next`).

    >>> reach = Reach("mail.example.com:587")
    >>> reach.shorten("closed")
    >>> reach.to_mail, reach.to_next
    (True, True)
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._closed = 0
        self.to_mail = True
        self.to_next = True
        # To take one out is one step: of several threads one tells.
        self._untold = {"mail": True, "next": True}

    def shorten(self, lost: Literal["group", "ahead", "closed"]) -> None:
        """Take it in that the server lost commands of one mail, or those behind a content, or closed upon these."""
        if lost == "group":
            self.to_mail = self.to_next = False
            if self._untold.pop("mail", False):
                self._tell(
                    "lost commands that came together, though it offers PIPELINING: one at a time from now on "
                    "(?ignore=PIPELINING does so from the beginning)"
                )
            return
        self._closed += lost == "closed"
        if self.to_next and (lost == "ahead" or self._closed >= _CHANCE):
            self.to_next = False
            if self._untold.pop("next", False):
                self._tell(
                    "takes no command that comes with the content of the mail before: none does from now on"
                )

    def _tell(self, what: str) -> None:
        import logging

        logging.getLogger("modernmail").warning("%s %s", self._where, what)
