"""A rule of a contract: a function with the rule as its docstring, that raises `AssertionError` where it is broken."""

from __future__ import annotations

from .drive import MODES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def hold(rule: Callable[..., None], *given: object) -> None:
    """Try a rule on what is given in each mode, which is its last argument; the error of a broken rule says the rule.

    What the object under test raises, and should not, is such an error too.
    """
    for mode in MODES:
        try:
            rule(*given, mode)
        except Exception as error:
            what = str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
            said = " ".join((rule.__doc__ or "").split())
            raise AssertionError(f"{what}\nthe rule, {mode}: {said}") from error
