"""The options that every benchmark takes."""

from __future__ import annotations

import argparse
from typing import Any


def chosen(about: str | None, **more: dict[str, Any]) -> argparse.Namespace:
    """Return the options of the command line: `quick`, `write`, and `more` (name → arguments of `add_argument`)."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--quick", action="store_true", help="a smoke: few rounds, figures that say little")
    mode.add_argument("--write", action="store_true", help="write the section of docs/benchmarks.md")
    for name, arguments in more.items():
        parser.add_argument(f"--{name}", **arguments)
    return parser.parse_args()
