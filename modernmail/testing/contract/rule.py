"""A rule of a contract: a function with the rule as its docstring, that raises `AssertionError` where it is broken."""

from __future__ import annotations

from .drive import MODES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def hold(rule: Callable[..., None], *given: object) -> None:
    """Try a rule on what is given in each mode, which is its last argument; the error of a broken rule says the rule."""
    for mode in MODES:
        try:
            rule(*given, mode)
        except AssertionError as error:
            said = " ".join((rule.__doc__ or "").split())
            raise AssertionError(f"{error}\nthe rule, {mode}: {said}") from error
