"""Asking the system's resolver, which takes no limit of time, and not waiting for it longer than there is time.

`blocking_opening.py` asks so; asyncio has threads of its own for it.

Rules of the file: whoever is left waiting for the resolver is a thread that keeps nothing alive.
"""

from __future__ import annotations

import socket
from threading import Thread
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from .race import Address

    Answer = TypeVar("Answer")


def addresses(host: str, port: int, until: float) -> list[Address]:
    """Return the addresses of a host as `socket.getaddrinfo` does, or raise `TimeoutError` at the moment `until`."""
    try:
        return socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)
    except socket.gaierror:
        return asked(lambda: socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM), until)


def asked(question: Callable[[], Answer], until: float) -> Answer:
    """Return what a function answers, or raise what it raises; `TimeoutError` when it has not ended by the moment `until`."""
    answers: list[Answer] = []
    failures: list[Exception] = []

    def ask() -> None:
        try:
            answers.append(question())
        except Exception as error:  # noqa: BLE001  # raised again where it was asked
            failures.append(error)

    try:
        asking = Thread(target=ask, name="modernmail-resolver", daemon=True)
        asking.start()
    except RuntimeError:
        # No thread can be had, as in the last steps of an interpreter, or in one of several: asked here.
        ask()
    else:
        asking.join(max(until - monotonic(), 0.0))
    if failures:
        raise failures[0]
    if not answers:
        raise TimeoutError("timed out")
    return answers[0]
