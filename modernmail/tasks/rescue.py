"""Looking for what dead workers held, in a thread of a living one: some engines do it seldom, or when chance will have it.

The adapters that need it use it; what they call is theirs.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from .trouble import Trouble

if TYPE_CHECKING:
    from collections.abc import Callable

_WHAT = "look for what dead workers held"
_LONGEST = 10.0


def rescue(look: Callable[[], None], within: float, worker: str) -> Callable[[], None]:
    """Call `look` from now on, ten times in each `within` seconds, every ten seconds at least; return what ends it.

    What it raises is told in the log, and it is called again.
    """
    pause = threading.Event()

    def looking() -> None:
        trouble = Trouble(worker)
        seconds = min(_LONGEST, within / 10)
        while not pause.wait(seconds):
            try:
                look()
                trouble.passed(_WHAT)
            except Exception as error:  # noqa: BLE001 - the broker is away, say: it is told, and comes back
                trouble.tell(_WHAT, error, seconds)

    threading.Thread(target=looking, name="modernmail-rescue", daemon=True).start()
    return pause.set
