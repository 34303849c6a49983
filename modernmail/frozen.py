"""Values that cannot change: `Frozen`, and `thawed`, the quick way to make many of them.

Every value that travels (address, envelope, parcel, receipt …) is one, so that what was checked stays checked.

Rules of the file: nothing of ours is imported. `dataclasses` would do it too, at the price of importing `inspect`, which
alone takes longer than composing a thousand mails.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn, TypeVar

    T = TypeVar("T")


class Frozen:
    """A value whose attributes are set once, in its constructor, by `object.__setattr__`."""

    __slots__ = ()

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is frozen: {name} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is frozen: {name} cannot be deleted")


IS_FREE = hasattr(sys, "_is_gil_enabled") and not sys._is_gil_enabled()
"""Whether threads run without the GIL. To change the class of an object then stops every thread of the program, and a fork at
that moment leaves a child that cannot do it any more: `refrozen` is for there."""


def thawed(kind: type[Frozen]) -> Any:
    """Return a class of the same slots without the guard; `instance.__class__ = kind` then freezes an instance.

    For the hot path alone: one plain assignment costs a tenth of `object.__setattr__`. Where `IS_FREE`, `refrozen` freezes.

    >>> class Point(Frozen):
    ...     __slots__ = ("x",)
    >>> point = thawed(Point)()
    >>> point.x = 1
    >>> point.__class__ = Point
    >>> point.x = 2
    Traceback (most recent call last):
    AttributeError: Point is frozen: x cannot be set
    """
    # Both of object's, since one slot in C serves both: with only one of them an assignment would be a call of Python code.
    unguarded = {"__setattr__": object.__setattr__, "__delattr__": object.__delattr__}
    return type(kind.__name__, (Frozen,), {"__slots__": kind.__slots__, **unguarded})


def refrozen(instance: Any, kind: type[T]) -> T:
    """Return a frozen value with the slots of an instance of its thawed class, by a copy.

    >>> class Point(Frozen):
    ...     __slots__ = ("x",)
    >>> point = thawed(Point)()
    >>> point.x = 1
    >>> type(refrozen(point, Point)).__name__, refrozen(point, Point).x
    ('Point', 1)
    """
    value = kind.__new__(kind)
    slots: tuple[str, ...] = kind.__slots__  # type: ignore[attr-defined]
    for name in slots:
        _put(value, name, getattr(instance, name))
    return value


_put = object.__setattr__
