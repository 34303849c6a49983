"""Where the content of a part is: in memory, in a file, or in a spool.

Attachments hold a source; the renderer asks it for `content` (kept) or for `blocks` (streamed).

Rules of the file: a source that changed, shrank or vanished since it was pinned is an error, never other bytes; blocks
are a multiple of 57 octets long, a full line of base64, the last one aside.
"""

from __future__ import annotations

from .errors import InvalidAttachment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO, Any, Protocol

    class Readable(Protocol):
        """What gives octets."""

        def read(self, size: int, /) -> bytes:
            """Return at most `size` octets."""
            ...


KEPT = 1 << 20  # octets: content up to this size is encoded once and kept, a larger one is streamed
BLOCK = 57 * 1024


class FileSource:
    """A file as it was at one moment: its path, size in octets, modification time and inode.

    Each pass over it checks that it is still that file; a change is an `InvalidAttachment` error.
    """

    __slots__ = ("inode", "mtime_ns", "path", "size")

    def __init__(self, path: str) -> None:
        import os
        import stat

        try:
            found = os.stat(path)  # noqa: PTH116  # pathlib is not worth its import
        except (OSError, ValueError) as error:
            raise InvalidAttachment(
                "path", path, f"cannot be read: {getattr(error, 'strerror', None) or error}"
            ) from error
        if not stat.S_ISREG(found.st_mode):
            raise InvalidAttachment("path", path, "is not a regular file")
        if not os.access(path, os.R_OK):
            raise InvalidAttachment("path", path, "cannot be read: permission denied")
        self.path = path
        self.size = found.st_size
        self.mtime_ns = found.st_mtime_ns
        self.inode = found.st_ino

    @property
    def stamp(self) -> tuple[int, int, int]:
        """What tells this state of the file from a later one."""
        return (self.size, self.mtime_ns, self.inode)

    def blocks(self, size: int = BLOCK) -> Iterator[bytes]:
        """Yield the content in blocks of `size` octets."""
        import os

        try:
            file = open(self.path, "rb", buffering=0, opener=_opened)  # noqa: SIM115
        except OSError as error:
            raise InvalidAttachment("path", self.path, f"cannot be read: {error.strerror}") from error
        with file:
            found = os.fstat(file.fileno())
            if (found.st_size, found.st_mtime_ns, found.st_ino) != self.stamp:
                raise InvalidAttachment("path", self.path, "has changed since the message was built")
            left = self.size
            while left:
                block = _filled(file, min(size, left))
                if len(block) < min(size, left):
                    raise InvalidAttachment("path", self.path, f"ended {left - len(block)} octets early")
                left -= len(block)
                yield block
            if file.read(1):
                raise InvalidAttachment("path", self.path, "has grown since the message was built")

    def read(self) -> bytes:
        """Return the whole content."""
        return b"".join(self.blocks())


def _opened(path: str, flags: int) -> int:
    """Open without waiting: what has become a pipe since would wait for somebody to write to it."""
    import os

    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _filled(file: Readable, size: int) -> bytes:
    """Read exactly `size` octets, fewer only at the end of the file."""
    read = file.read
    block = read(size)
    while len(block) < size:
        more = read(size - len(block))
        if not more:
            break
        block += more
    return block


class Spool:
    """Content read once from a file object and kept in an unnamed temporary file.

    Threads may read it at the same time, and so may processes that were forked, with which its position is shared.
    """

    __slots__ = ("_file", "_lock", "size")

    def __init__(self, head: bytes, file: IO[bytes]) -> None:
        import shutil
        import tempfile
        import threading

        self._file = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as the attachment
        self._lock = threading.Lock()
        self._file.write(head)
        shutil.copyfileobj(file, self._file, KEPT)
        self._file.flush()
        self.size = self._file.tell()

    def blocks(self, size: int = BLOCK) -> Iterator[bytes]:
        """Yield the content in blocks of `size` octets."""
        at = 0
        while at < self.size:
            block = self._at(at, min(size, self.size - at))
            if not block:
                raise InvalidAttachment("content", "<spool>", f"ended {self.size - at} octets early")
            at += len(block)
            yield block

    def _at(self, at: int, size: int) -> bytes:
        """Return `size` octets from `at` on, fewer only at the end."""
        import os
        import sys

        if sys.platform == "win32":  # pragma: no cover
            with self._lock:
                self._file.seek(at)
                return _filled(self._file, size)
        file = self._file.fileno()
        block = os.pread(file, size, at)
        while len(block) < size:
            more = os.pread(file, size - len(block), at + len(block))
            if not more:
                break
            block += more
        return block

    def read(self) -> bytes:
        """Return the whole content."""
        return b"".join(self.blocks())

    def __del__(self) -> None:
        file = getattr(self, "_file", None)
        if file is not None:
            file.close()


def spool_or_bytes(file: IO[bytes]) -> bytes | Spool:
    """Return what a binary file object holds: bytes up to 1 MiB, a `Spool` above."""
    head: Any = file.read(KEPT + 1)
    if isinstance(head, str):
        raise InvalidAttachment("content", file, "gives text: open the file in binary mode ('rb')")
    if hasattr(head, "__await__"):
        head.close()  # nobody awaits it
        reason = "read() is a coroutine: pass what `await file.read()` gives, or the file inside (`.file` of an UploadFile)"
        raise InvalidAttachment("content", file, reason)
    if not isinstance(head, (bytes, bytearray)):
        raise InvalidAttachment("content", file, f"read() gave {type(head).__name__}, not bytes")
    if len(head) <= KEPT:
        # A raw file may give less than was asked for although more is there.
        while more := file.read(KEPT + 1 - len(head)):
            head += more
            if len(head) > KEPT:
                break
    if len(head) <= KEPT:
        return bytes(head)
    return Spool(bytes(head), file)
