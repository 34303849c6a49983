"""Character references of HTML (`&amp;`, `&#38;`), decoded whatever their length."""

from __future__ import annotations

import re
from html import unescape

# html.unescape hands the digits to int(), which refuses more than 4,300 of them with a ValueError.
_LONG = re.compile(r"&#(0*)([0-9]{8,});?")


def decode_entities(text: str) -> str:
    """Return `text` with its character references decoded, as browsers do (WHATWG 13.2.5.80).

    >>> decode_entities("a &lt; b, &#" + "9" * 5000 + "; &#" + "0" * 5000 + "65;")
    'a < b, \ufffd A'
    """
    if "&" not in text:
        return text
    return unescape(_LONG.sub(_shortened, text))


def _shortened(match: re.Match[str]) -> str:
    digits = match[2].lstrip("0")
    return f"&#{digits or '0'};" if len(digits) < 8 else "\ufffd"
