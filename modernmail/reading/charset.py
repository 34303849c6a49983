"""Bytes to text, whatever charset they claim."""

from __future__ import annotations

import codecs

# Python's own codecs that are no charsets of mail: some are slow, some run over the text a second time.
_NOT_CHARSETS = frozenset({"idna", "mbcs", "oem", "palmos", "punycode", "raw_unicode_escape", "undefined",
                           "unicode_escape"})  # fmt: skip


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
            return data.decode(codec).encode("utf-8", "replace").decode(
                "utf-8"
            ), None  # UTF-7 has lone surrogates
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


def _codec(name: str) -> str | None:
    if not name or not name.isascii() or len(name) > 40 or "\0" in name:
        return None
    if name.lower() in {"iso-8859-1", "latin-1", "latin1", "us-ascii", "ascii"}:
        return "utf-8" if "ascii" in name.lower() else "cp1252"  # as browsers read them
    try:
        info = codecs.lookup(name)
    except (LookupError, ValueError):
        return None
    is_text = getattr(info, "_is_text_encoding", True)
    return info.name if is_text and info.name.replace("-", "_") not in _NOT_CHARSETS else None
