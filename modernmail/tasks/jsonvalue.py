"""What may be queued: plain JSON values, and `normalise`, which makes one of an argument or a result.

A stored job must read back equal on any Python, and in other languages; so what would change on the way (a
key that is not a string, NaN, bytes that are not text, an object) is refused when it is given, with the place
where it stands.
"""

from __future__ import annotations

import json.encoder
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from modernmail.errors import InvalidTask
from modernmail.receipt import Receipt

if TYPE_CHECKING:
    from collections.abc import Callable

JSONValue = Any  # None, bool, int, float, str, list and dict of them: mypy knows no recursive alias on 3.11

ATOMS = (str, bool, type(None))
_MOST = 10**4300  # a Python that is not told otherwise reads no integer with more digits


def _made() -> Callable[[JSONValue], str]:
    """Return what writes JSON: the encoder that `JSONEncoder.encode` makes anew for each value, made once."""
    encoder = json.JSONEncoder(check_circular=False, allow_nan=False, separators=(",", ":"))
    try:
        write = json.encoder.c_make_encoder(  # type: ignore[attr-defined]
            None, encoder.default, json.encoder.encode_basestring_ascii, None, ":", ",", False, False, False
        )  # fmt: skip
        if "".join(write({"a": [1, "ä"]}, 0)) == '{"a":[1,"\\u00e4"]}':
            return lambda value: "".join(write(value, 0))
    except (AttributeError, TypeError):
        pass  # a Python that has it otherwise
    return encoder.encode


_decoder = json.JSONDecoder()


def loads(text: str) -> JSONValue:
    """Return the value of what `dumps` wrote, and of any JSON; `ValueError` when it is none.

    >>> loads(dumps({"a": [1, "ä"]})), loads(" 1 ")
    ({'a': [1, 'ä']}, 1)
    """
    if text[:1] == "{":
        value, end = _decoder.raw_decode(text)
        if end == len(text):
            return value
    return json.loads(text)


dumps = _made()  # the JSON of a value made of dicts, lists and atoms: ASCII, without spaces


def normalise(value: object, argument: str) -> JSONValue:
    """Return `value` as new plain JSON values: tuples become lists, bytes that are UTF-8 become text.

    `argument` names the value in the errors, which are `InvalidTask`.

    >>> normalise({"to": ("a@example.com", b"b@example.com")}, "args[0]")
    {'to': ['a@example.com', 'b@example.com']}
    >>> normalise({"n": [1, float("nan")]}, "args[0]")
    Traceback (most recent call last):
    modernmail.errors.InvalidTask: args[0]['n'][1]: nan: JSON has no such number
    """
    if type(value) in ATOMS:
        return value
    try:
        return _normalise(value, ())
    except _RefusedError as refused:
        where = argument + "".join(f"[{step!r}]" for step in refused.path)
        raise InvalidTask(where, refused.value, refused.reason) from None
    except RecursionError:
        raise InvalidTask(argument, type(value), "is nested too deeply, or contains itself") from None


def normalise_receipts(value: object, argument: str) -> JSONValue:
    """Return what a task returned as JSON values, a `Receipt` as its dictionary."""
    if isinstance(value, Receipt):
        value = value.to_dict()
    elif type(value) in (list, tuple):
        value = [item.to_dict() if isinstance(item, Receipt) else item for item in value]  # type: ignore[attr-defined]
    return normalise(value, argument)


class _RefusedError(Exception):
    """Where in the value the fault is; the path grows as it leaves the nesting."""

    def __init__(self, path: tuple[object, ...], value: object, reason: str) -> None:
        self.path = path
        self.value = value
        self.reason = reason


def _normalise(value: object, path: tuple[object, ...]) -> JSONValue:
    kind = type(value)
    if kind in ATOMS:
        return value
    if kind is list or kind is tuple:
        items: Sequence[object] = value  # type: ignore[assignment]
        return [
            item if type(item) in ATOMS else _normalise(item, (*path, at)) for at, item in enumerate(items)
        ]
    if isinstance(value, int):
        if -_MOST < value < _MOST:
            return int(value)
        raise _RefusedError(path, int, "of more than 4,300 digits; pass it as text")
    if isinstance(value, Mapping):
        return {_key(key, path): _normalise(item, (*path, key)) for key, item in value.items()}
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _RefusedError(path, value, "JSON has no such number")
        return float(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        try:
            return bytes(value).decode("utf-8")
        except UnicodeDecodeError:
            raise _RefusedError(
                path, bytes(value), "bytes that are not UTF-8 text; encode them, as base64 say"
            ) from None
    if isinstance(value, Sequence):
        return [_normalise(item, (*path, at)) for at, item in enumerate(value)]
    raise _RefusedError(
        path, value, f"a {kind.__name__} cannot be queued; pass JSON values (text, numbers, lists, dicts)"
    )


def _key(key: object, path: tuple[object, ...]) -> str:
    if type(key) is str:
        return key
    if isinstance(key, str):
        return str.__str__(key)
    raise _RefusedError(path, key, "the keys of a JSON object are strings")
