"""DiskStore: mails in a folder, one file each, that several processes share."""

from __future__ import annotations

from pathlib import Path

from modernmail.errors import ConfigurationError
from modernmail.private import private_folder

from .contents import FolderContents
from .index import Index
from .store import Store


class DiskStore(Store):
    """Keeps mails in `folder`: `mails/ID.eml` each, exactly as sent, and an index in `inbox.sqlite3`.

    A folder that is missing is made for its owner alone. Several processes may use one folder. Raises
    `ConfigurationError` when the index is not ours, or the folder cannot be made.
    """

    blocks = True

    def __init__(
        self,
        folder: str | Path,
        *,
        limit: int = 10_000,
        max_age: float | None = None,
        max_octets: int | None = 4_000_000_000,
    ) -> None:
        self.folder = Path(folder)
        try:
            private_folder(self.folder)
        except OSError as error:
            raise ConfigurationError(
                f"the folder {self.folder} of the inbox cannot be made: {error.strerror} (another one: "
                "modernmail inbox --dir, or MODERNMAIL_INBOX)"
            ) from error
        contents = FolderContents(self.folder / "mails")
        index = Index(str(self.folder / "inbox.sqlite3"))
        super().__init__(index, contents, limit=limit, max_age=max_age, max_octets=max_octets)
        contents.sweep({mail_id for _, mail_id in index.rows()})
