"""Counting steps, so that linear time is a number and not a clock.

A step is one round of a loop, one call of a function of the library, or one octet, character or item that C code handles
for it: `text.find(…)` costs how far it looked, a slice what it copies, `a + b` both. So a loop that looks through the
rest of a text on each round shows as quadratic, though it runs one line a round.

`modernmail` is compiled once more for it, with the counting written in (`instrument`); outside `counted()` nobody sees
that copy.
"""

from __future__ import annotations

from . import cost
from .package import counted

__all__ = ["cost", "counted"]
