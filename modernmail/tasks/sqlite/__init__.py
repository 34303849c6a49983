"""The durable queue on one machine: `sqlite:///path`. See `backend.py` for its options, `queue.py` for its
rules."""

from .backend import SQLiteBackend

__all__ = ["SQLiteBackend"]
