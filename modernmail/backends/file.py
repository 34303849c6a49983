"""`file:///dir` writes each mail as `.eml`, with its envelope beside it as `.json`.

Rules of the file: a file appears whole or not at all (written under another name, then renamed); the envelope comes
first, so that a reader who sees a mail finds its envelope.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from time import time_ns

from ..errors import ConnectFailed
from ..private import private_folder
from .backend import Backend, accepted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..parcel import Parcel
    from ..receipt import Receipt
    from ..runtime import IO


class FileBackend(Backend):
    """Writes to a directory, which is made when it is missing, for its owner alone."""

    is_store = True

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self.directory = Path(directory)

    async def send(self, parcel: Parcel, io: IO) -> Receipt:
        """Write the parcel; the receipt's outcome names the file."""
        if io.commit_point is not None:
            await io.commit_point(parcel)
        try:
            path = await io.run(self._write, parcel)
        except OSError as error:
            raise ConnectFailed(
                f"cannot write to {self.directory}: {error.strerror}", is_transient=True
            ) from error
        return accepted(parcel, f"written to {path}")

    def _write(self, parcel: Parcel) -> Path:
        private_folder(self.directory)
        # Sorted by name they are in the order of sending.
        name = f"{time_ns():020d}-{os.urandom(6).hex()}"
        envelope = json.dumps(
            {"message_id": parcel.message_id, **parcel.envelope.to_dict()}, ensure_ascii=False, indent=1
        )
        beside = self._put(f"{name}.json", [envelope.encode("utf-8")])
        try:
            return self._put(f"{name}.eml", parcel.content.chunks())
        except BaseException:
            beside.unlink(missing_ok=True)
            raise

    def _put(self, name: str, chunks: Any) -> Path:
        path = self.directory / name
        partial = self.directory / f".{name}.partial"
        try:
            with partial.open("xb") as file:
                for chunk in chunks:
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        return path

    async def verify(self, io: IO) -> dict[str, Any]:
        """Make sure that the directory can be written."""
        try:
            private_folder(self.directory)
        except OSError as error:
            raise ConnectFailed(f"cannot write to {self.directory}: {error.strerror}") from error
        if not os.access(self.directory, os.W_OK):
            raise ConnectFailed(f"cannot write to {self.directory}: permission denied")
        return {"directory": str(self.directory)}

    def __repr__(self) -> str:
        return f"<FileBackend {self.directory}>"
