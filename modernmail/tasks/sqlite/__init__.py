"""The durable queue on one machine: `sqlite:///path`. See `backend.py` for its options, `queue.py` for its
rules."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .backend import SQLiteBackend as SQLiteBackend

__all__ = ["SQLiteBackend"]


def __getattr__(name: str) -> object:
    # Late: the packing of mail needs the jobs of this package, and the backend needs the packing.
    if name == "SQLiteBackend":
        from .backend import SQLiteBackend

        return SQLiteBackend
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
