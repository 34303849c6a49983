"""The contracts of layers and backends as checks, for ours and for yours.

::

    from modernmail.testing import check_backend, check_layer

    def test_my_layer():
        check_layer(lambda: MyLayer())

Each check makes a fresh object, drives it sync and under asyncio, and raises `AssertionError`, with the rule that was
broken, at the first fault. The files: `samples` (mails and receipts), `drive` (the two ways to run), `rule`,
`layer` and `stream` (a layer's rules), `backend` and `burst` (a backend's).
"""

from __future__ import annotations

from .backend import BACKEND_RULES, check_backend
from .layer import LAYER_RULES, check_layer

__all__ = ["BACKEND_RULES", "LAYER_RULES", "check_backend", "check_layer"]
