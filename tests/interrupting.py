"""An exception such as a signal handler raises, at any line of the library: `raising_at`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType


class Interrupted(BaseException):
    """What the handler raises."""


def raising_at(number: int, act: Callable[[], object]) -> bool:
    """Call `act`, and raise at the line of the library that is executed as the `number`th; return whether there was one."""
    lines = 0

    def on_line(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal lines
        if event == "line":
            lines += 1
            if lines == number:
                sys.settrace(None)
                raise Interrupted
        return on_line

    def on_call(frame: FrameType, event: str, _: Any) -> Any:
        name = frame.f_globals.get("__name__", "")
        is_ours = name.startswith("modernmail.") and not name.startswith("modernmail.testing")
        return on_line if is_ours else None

    before = sys.gettrace()
    sys.settrace(on_call)
    try:
        act()
    except Interrupted:
        return True
    finally:
        sys.settrace(before)
    return lines >= number
