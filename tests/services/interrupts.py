"""A test run in the background is not deaf to SIGINT, and neither are the programs that it starts.

A shell without job control has its background commands ignore SIGINT, and programs inherit that; the tests send it.
"""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """Hear SIGINT again."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
