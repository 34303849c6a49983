"""What ends every wait of a scripted server: `Alarm`."""

from __future__ import annotations

import socket
import threading
import time


class Alarm:
    """Rings once, for all channels: when the server is stopped. Also holds the deadline of all of them."""

    def __init__(self, lifetime: float) -> None:
        self.deadline = time.monotonic() + lifetime
        self.rung = threading.Event()
        self.ear, self._bell = socket.socketpair()

    @property
    def left(self) -> float:
        """Seconds until the lifetime is over; 0 when it is, or when the alarm rang."""
        return 0.0 if self.rung.is_set() else max(0.0, self.deadline - time.monotonic())

    def ring(self) -> None:
        """Wake every waiting channel, and end it."""
        self.rung.set()
        self._bell.send(b"!")  # nobody reads it: the ear stays readable

    def close(self) -> None:
        """Close both ends."""
        self.ear.close()
        self._bell.close()
