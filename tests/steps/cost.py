"""What each operation costs, counted while it is done: instrumented code calls these functions.

Rules of the file: each does exactly what the code would have done; what C code does in one look at its arguments costs
their sizes, and what it can do without looking at them costs one.
"""

from __future__ import annotations

import operator
import re
from types import BuiltinFunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

steps = 0

_SIZED = (str, bytes, bytearray, list, tuple, dict, set, frozenset)
_TEXT = (str, bytes, bytearray)
# methods that cost the same whatever the size
_ONE = frozenset(
    {"append", "pop", "popleft", "add", "discard", "get", "setdefault", "items", "keys", "values", "isascii"}
)
_FREE = frozenset(
    {len, isinstance, issubclass, getattr, hasattr, setattr, id, ord, chr, type, iter, callable, object, range, reversed,
     enumerate, zip, map, filter, memoryview, property, staticmethod, classmethod, next, print}
)  # fmt: skip  # functions that do
_FORWARD = frozenset({"find", "index"})
_LOOKING = _FORWARD | {"rfind", "rindex"}
_AT_THE_ENDS = frozenset({"startswith", "endswith", "removeprefix", "removesuffix"})


def _add(cost: int) -> None:
    global steps
    steps += 1 + cost


def _size(value: object) -> int:
    return len(value) if isinstance(value, _SIZED) else 0


def step() -> None:
    """Count a call, or a round of a loop."""
    _add(0)


def each(items: Any) -> Iterator[Any]:
    """Give the items, each one a step."""
    for item in items:
        _add(0)
        yield item


def made(value: Any) -> Any:
    """Count a value that was put together."""
    _add(_size(value))
    return value


def extended(before: Any, more: Any) -> Any:
    """Do `before += more`: a list grows, a text is written anew."""
    after = operator.iadd(before, more)
    _add(_size(more) if isinstance(before, list) else _size(after) if isinstance(after, _SIZED) else 0)
    return after


def contains(item: Any, items: Any) -> bool:
    """Do `item in items`."""
    if isinstance(items, _TEXT):
        at = items.find(item) if isinstance(item, type(items)) else -1
        _add(at if at >= 0 else len(items))
    elif isinstance(items, (list, tuple)):
        _add(len(items))
    else:
        _add(0)
    return item in items


def lacks(item: Any, items: Any) -> bool:
    """Do `item not in items`."""
    return not contains(item, items)


def equal(one: Any, other: Any) -> Any:
    """Do `one == other`."""
    sizes = _size(one), _size(other)
    _add(sizes[0] if sizes[0] == sizes[1] else 0)
    return one == other


def unequal(one: Any, other: Any) -> Any:
    """Do `one != other`."""
    sizes = _size(one), _size(other)
    _add(sizes[0] if sizes[0] == sizes[1] else 0)
    return one != other


def call(function: Any, *arguments: Any, **named: Any) -> Any:
    """Call a function: one of C reads all it is given, unless it is known not to."""
    if function in _FREE if isinstance(function, (type, BuiltinFunctionType)) else True:
        _add(0)
        return function(*arguments, **named)
    if isinstance(function, type) and function.__module__ != "builtins":
        _add(0)
        return function(*arguments, **named)
    given = [each(one) if hasattr(one, "__next__") else one for one in arguments]
    found = function(*given, **named)
    _add(sum(map(_size, arguments)) + _size(found))
    return found


def method(owner: Any, name: str, *arguments: Any, **named: Any) -> Any:
    """Call a method: what it looks through counts, and what it makes."""
    function = getattr(owner, name)
    if isinstance(owner, re.Pattern):
        return _of_pattern(owner, function, name, *arguments)
    if not isinstance(owner, _SIZED):
        if isinstance(
            function, BuiltinFunctionType
        ):  # a function of a module in C, or a method of an object of C
            return call(function, *arguments, **named)
        _add(0)
        return function(*arguments, **named)
    if name == "join":
        arguments = (list(each(arguments[0])),)
    found = function(*arguments, **named)
    if name in _LOOKING and isinstance(owner, _TEXT):
        start, stop, _ = slice(*(*arguments[1:], None, None)[:2]).indices(len(owner))
        end = stop if found < 0 else found
        _add(max(0, end - start if name in _FORWARD or found < 0 else stop - found))
    elif name in _AT_THE_ENDS:
        _add(sum(map(_size, arguments)))
    elif name in _ONE:
        _add(0)
    elif name in ("extend", "update"):
        _add(sum(map(_size, arguments)))
    else:
        _add(len(owner) + (_size(found) if isinstance(found, _TEXT) else 0))
    return found


def _of_pattern(pattern: Any, function: Any, name: str, *arguments: Any) -> Any:
    """Call a method of a regular expression: it costs how far it looked, as far as that can be known."""
    found = function(*arguments)
    text = arguments[1] if name in ("sub", "subn") else arguments[0]
    start = arguments[1] if len(arguments) > 1 and name in ("match", "search", "fullmatch") else 0
    if name == "match" and found is None:
        _add(0)
    elif isinstance(found, re.Match):
        _add(found.end() - start)
    else:
        _add(len(text) - start + (_size(found) if isinstance(found, _TEXT) else 0))
    return found
