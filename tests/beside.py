"""Something that another thread does at one moment of a test: the interleaving that a race needs, made to happen."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def beside(act: Callable[[], object], *, patience: float = 10.0) -> threading.Thread:
    """Do `act` in another thread, and go on when it is done; after `patience` seconds also when it waits for this one."""
    thread = threading.Thread(target=act, name="beside", daemon=True)
    thread.start()
    thread.join(patience)
    return thread


def together(*acts: Callable[[], object]) -> list[BaseException]:
    """Do all of them at the same time, each in a thread of its own; return what they raised."""
    errors: list[BaseException] = []
    ready = threading.Barrier(len(acts))

    def run(act: Callable[[], object]) -> None:
        try:
            ready.wait(10)
            act()
        except BaseException as error:  # noqa: BLE001  # it is the caller's
            errors.append(error)

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), f"{thread.name} hangs"
    return errors
