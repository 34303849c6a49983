"""How a benchmark measures in turns and tells what it found: printed, and in a section of its own in docs/benchmarks.md.

A benchmark lets its own folder come last on `sys.path`, since `queue.py` in it has the name of a standard module:

    import sys
    from pathlib import Path
    _HERE = str(Path(__file__).parent)
    sys.path[:] = [*(folder for folder in sys.path if folder != _HERE), _HERE]

    from report import Section, chosen, in_turns, time_of, timed

(it is then named under `per-file-ignores` for E402 in pyproject.toml), and its `main` reads:

    options = chosen(__doc__)                  # --quick: a smoke, not for the page; --write: into the page
    section = Section("queue", "The queue", "What is measured, against what, in which unit.")
    figures = in_turns({"ours": timed(step, 1000), "peer": timed(other, 1000)}, rounds=3 if options.quick else 9)
    table = section.table("what", "here", "peer", "ratio", "wanted")
    ratio = figures.ratio("ours", "peer")      # how many times faster, the median of the rounds' own ratios
    table.add("enqueue", time_of(figures.median("ours")), time_of(figures.median("peer")), *section.least(ratio, 3))
    section.add("Any further paragraph or subtitle.")
    section.versions(Django="6.1.3", SQLite=sqlite3.sqlite_version)
    return section.end(options)                # the exit status: 0 when all that was wanted is there

`section.least(figure, wanted)` and `section.most(figure, wanted)` give two cells: the figure, and what was wanted of it;
a figure that falls short is marked as such, and makes the exit status 1. `docs/benchmarks.md` has the places of the
sections and the words around them; nothing else there is written by hand. Tell nothing but what was measured.
"""

from .options import chosen
from .section import Section, Table
from .turns import Figures, in_turns, seconds, time_of, timed

__all__ = ["Figures", "Section", "Table", "chosen", "in_turns", "seconds", "time_of", "timed"]
