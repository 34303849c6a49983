"""Comments behind the word of a MIME field (RFC 2045 5.1, RFC 5322 3.2.2), which say nothing to a program."""

from __future__ import annotations


def without_comment(word: str) -> str:
    """Return a word without the comment behind it.

    >>> without_comment("base64 (as ever)")
    'base64'
    """
    return word.partition("(")[0].strip()
