"""`inbox:` puts mail into the development inbox without SMTP: the user's own, or `inbox:///dir` any folder.

Found by the entry point `modernmail.backends`, so that nothing of the inbox is imported before somebody asks
for it.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modernmail.backends.backend import Backend, accepted
from modernmail.errors import ConnectFailed

from .disk_store import DiskStore
from .mail import CapturedMail

if TYPE_CHECKING:
    from modernmail.backends.backendurl import BackendURL
    from modernmail.parcel import Parcel
    from modernmail.receipt import Receipt
    from modernmail.runtime import IO

    from .store import Store


class InboxBackend(Backend):
    """Puts each mail into `store`, envelope and bytes as they would go over SMTP.

    A store that was given is its giver's to close; that of a folder is closed with the mailer, and opened again when it
    is used again.
    """

    def __init__(self, store: Store | Path) -> None:
        self._folder = store if isinstance(store, Path) else None
        self._opened: Store | None = DiskStore(store) if isinstance(store, Path) else store
        self._lock = threading.Lock()

    @property
    def store(self) -> Store:
        """Where the mails are."""
        with self._lock:
            if self._opened is None:
                assert self._folder is not None
                self._opened = DiskStore(self._folder)
            return self._opened

    async def close(self, io: IO) -> None:
        """Close the store of a folder."""
        if self._folder is None:
            return
        with self._lock:
            opened, self._opened = self._opened, None
        if opened is not None:
            await io.run(opened.close)

    async def send(self, parcel: Parcel, io: IO) -> Receipt:
        """Keep the mail; the receipt's outcome names its id."""
        if io.commit_point is not None:
            await io.commit_point(parcel)
        mail = captured(parcel)
        try:
            await io.run(self._add, mail)
        except (OSError, sqlite3.Error) as error:  # the latter when another program holds the index
            raise ConnectFailed(f"the inbox cannot keep the mail: {error}", is_transient=True) from error
        return accepted(parcel, f"in the inbox as {mail.id}")

    def _add(self, mail: CapturedMail) -> None:
        while True:
            store = self.store
            try:
                store.add(mail)
            except sqlite3.ProgrammingError:
                with self._lock:
                    if self._opened is store:
                        raise
                # Another thread has closed the mailer meanwhile: the folder is opened again.
            else:
                return

    async def verify(self, io: IO) -> dict[str, Any]:
        """Return how many mails the inbox holds."""
        return {"mails": await io.run(lambda: self.store.count())}


def captured(parcel: Parcel) -> CapturedMail:
    """Return the mail that an inbox would catch if `parcel` came over SMTP."""
    return CapturedMail(
        parcel.envelope.return_path, parcel.envelope.recipients, b"".join(parcel.content.chunks())
    )


def default_folder() -> Path:
    """Return the folder of `inbox:` and `modernmail inbox`: `MODERNMAIL_INBOX`, or the user's own."""
    if given := os.environ.get("MODERNMAIL_INBOX"):
        return Path(given)
    if sys.platform == "win32":  # pragma: no cover
        return Path(os.environ.get("LOCALAPPDATA") or Path.home()) / "modernmail" / "inbox"
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "modernmail" / "inbox"


def from_url(url: BackendURL) -> InboxBackend:
    """Return the backend for `inbox:` or `inbox:///folder`."""
    url.refuse_host()
    url.refuse_options()
    return InboxBackend(Path(url.path) if url.path.strip("/") else default_folder())
