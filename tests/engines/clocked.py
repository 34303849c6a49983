"""`modernmail` by a clock that can be set: `python -m engines.clocked FILE worker …`; FILE says how many seconds it is ahead.

The clock since boot is left alone, as it is when somebody sets the time of day.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path


def main() -> None:
    """Put the clock in place of the real one, then run the command."""
    file = Path(sys.argv.pop(1))
    real, real_ns = time.time, time.time_ns

    def ahead() -> float:
        return float(file.read_text() or 0)  # empty, while it is written

    time.time = lambda: real() + ahead()
    time.time_ns = lambda: real_ns() + int(ahead() * 1e9)
    from modernmail.cli.__main__ import main as modernmail

    modernmail()


if __name__ == "__main__":
    main()
