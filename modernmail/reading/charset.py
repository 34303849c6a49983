"""Bytes to text, whatever charset they claim."""

from __future__ import annotations

import codecs
import re
from encodings import normalize_encoding
from encodings.aliases import aliases
from functools import lru_cache

from .japanese import decode_japanese

# Python's own codecs that are no charsets of mail: some are slow, some run over the text a second time.
_NOT_CHARSETS = frozenset({"idna", "mbcs", "oem", "palmos", "punycode", "raw_unicode_escape", "undefined",
                           "unicode_escape"})  # fmt: skip
# What is written under these names needs more than they hold; browsers and mail programs read it so (WHATWG Encoding 4.2).
_WIDER = {
    "ascii": "utf-8", "big5": "big5hkscs", "euc_kr": "cp949", "gb2312": "gb18030", "gbk": "gb18030", "iso8859-1": "cp1252",
    "iso8859-9": "cp1254", "iso8859-11": "cp874", "shift_jis": "cp932", "tis-620": "cp874",
}  # fmt: skip
# And these are names that Python does not know.
_ALIASES = {
    "cp50220": "iso2022_jp", "cp50221": "iso2022_jp", "cp50222": "iso2022_jp", "iso-2022-jp-ms": "iso2022_jp",
    "iso-8859-6-e": "iso8859_6", "iso-8859-6-i": "iso8859_6", "iso-8859-8-e": "iso8859_8", "iso-8859-8-i": "iso8859_8",
    "unicode-1-1-utf-7": "utf-7", "windows-31j": "cp932", "x-gbk": "gb18030", "x-mac-ce": "mac_latin2",
    "x-mac-cyrillic": "mac_cyrillic", "x-mac-roman": "mac_roman", "x-mac-ukrainian": "mac_cyrillic", "x-sjis": "cp932",
    "x-x-big5": "big5hkscs",
}  # fmt: skip
# Codecs whose names are in no table of Python's.
_UNLISTED = frozenset({"cp1006", "cp720", "cp737", "cp856", "cp874", "cp875", "iso8859_1", "koi8_t", "koi8_u", "mac_arabic",
                       "mac_croatian", "mac_farsi", "mac_romanian", "utf_8_sig"})  # fmt: skip
_META = re.compile(rb"""<meta\b[^>]{0,200}?\bcharset\s{0,9}=\s{0,9}["']?([\w.:-]{1,40})""", re.IGNORECASE)
_META_IN = 1024  # octets (HTML 13.2.3.2)
_CODE_PAGE = re.compile(r"(?:x-)?(?:cp|dos|ibm|ms|windows)-?(\d+)")


def decode_text(data: bytes, charset: str) -> tuple[str, str | None]:
    """Return the text and the problem, or None when `data` is what `charset` says it is.

    An unknown charset, and one that does not fit, is read as UTF-8 if that fits and as Windows-1252
    otherwise.

    >>> decode_text(b"caf\\xe9", "utf-8")
    ('café', "not valid 'utf-8'; read as Windows-1252")
    """
    name = charset.strip().strip("'\"")
    problem = None
    if codec := _codec(name):
        try:
            return _decoded(data, codec), None
        except (UnicodeError, ValueError):
            problem = f"not valid {name[:40]!r}"
    elif name:
        problem = f"the charset {name[:40]!r} is unknown"
    try:
        text, read_as = data.decode("utf-8"), "UTF-8"
    except UnicodeDecodeError:
        text, read_as = data.decode("cp1252", "replace"), "Windows-1252"
    if problem is None and data.isascii():
        return text, None
    return text, f"{problem or 'no charset is given'}; read as {read_as}"


def html_charset(data: bytes) -> str:
    """Return the charset that an HTML document names itself, `""` when it names none.

    >>> html_charset(b'<html><meta http-equiv=Content-Type content="text/html; charset=koi8-r">')
    'koi8-r'
    """
    match = _META.search(data, 0, _META_IN)
    name = match[1].decode("ascii", "replace") if match else ""
    return "utf-8" if name.lower().startswith("utf-16") else name  # it could not have been read


def _decoded(data: bytes, codec: str) -> str:
    if codec == "iso2022_jp":
        return decode_japanese(data)
    return data.decode(codec).encode("utf-8", "replace").decode("utf-8")  # UTF-7 has lone surrogates


@lru_cache(maxsize=1)
def _codecs() -> frozenset[str]:
    return frozenset(aliases.values())


@lru_cache(maxsize=256)
def _codec(name: str) -> str | None:
    if not name or not name.isascii() or len(name) > 40 or "\0" in name:
        return None
    low = name.lower().replace("_", "-")
    if page := _CODE_PAGE.fullmatch(low):
        low = f"cp{page[1]}"
    low = _ALIASES.get(low, low)
    # For a name that it does not know, Python looks for a module each time a mail has thought of one, and keeps it for ever.
    known = normalize_encoding(low)
    if known not in aliases and known not in _codecs() and known not in _UNLISTED:
        return None
    try:
        info = codecs.lookup(low)
    except (LookupError, ValueError):
        return None
    is_text = getattr(info, "_is_text_encoding", True)
    if not is_text or info.name.replace("-", "_") in _NOT_CHARSETS:
        return None
    return _WIDER.get(info.name, info.name)
