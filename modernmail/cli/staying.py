"""Staying until somebody ends the program: Ctrl-C, or a polite signal."""

from __future__ import annotations

import signal
import threading


def stay() -> None:
    """Return when the program is interrupted or asked to end (SIGINT, SIGTERM); both are a normal end."""
    asked = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: asked.set())
    try:
        while not asked.wait(0.5):  # a wait without an end would not see Ctrl-C on every platform
            pass
    except KeyboardInterrupt:
        return
    finally:
        signal.signal(signal.SIGTERM, before)
