"""RFC 2047 encoded-words: text that ASCII cannot carry, in pieces that never split a character.

Called by `folding` and `mailboxes`.

Rules of the file: a word is at most 75 characters (RFC 2047 2) and never empty; what is encoded is exactly the text given, white
space included, because white space between two encoded-words vanishes (6.2); base64 is padded at the end of the text alone.
"""

from __future__ import annotations

from binascii import b2a_base64

_LONGEST = 75
_OVERHEAD = 12  # =?utf-8?q? and ?=
_LONGEST_DATA = (_LONGEST - _OVERHEAD) // 4 * 3  # octets
# RFC 2047 5 (3), the set allowed in a phrase, which is allowed everywhere
_PLAIN = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/"
_Q = [f"={octet:02X}" for octet in range(256)]
for _octet in _PLAIN:
    _Q[_octet] = chr(_octet)
_Q[0x20] = "_"
_FREE = _PLAIN + b" "


def encoded_words(text: str, room: int) -> list[str]:
    """Return encoded-words that decode to `text`, which is not empty; the first has at most `room` characters, 24 to 75."""
    data = text.encode("utf-8")
    escaped = len(data.translate(None, _FREE))
    if len(data) + 2 * escaped <= (len(data) + 2) // 3 * 4:
        return _q_words(text, data, min(room, _LONGEST))
    return _b_words(data, min(room, _LONGEST))


def _b_words(data: bytes, room: int) -> list[str]:
    words = []
    at, end = 0, len(data)
    stop = (room - _OVERHEAD) // 4 * 3
    while stop < end:
        # Some readers join the words before they decode them, and drop all that stands behind padding: three octets at a time.
        while data[stop] & 0xC0 == 0x80:  # inside a character
            stop -= 3
        if stop > at:
            words.append(f"=?utf-8?b?{b2a_base64(data[at:stop], newline=False).decode('ascii')}?=")
        else:  # no character ends there ("é" and fifteen of three octets): one in the other encoding makes it fit
            stop = at + 1
            while data[stop] & 0xC0 == 0x80:
                stop += 1
            words.append(f"=?utf-8?q?{''.join([_Q[octet] for octet in data[at:stop]])}?=")
        at = stop
        stop += _LONGEST_DATA
    words.append(f"=?utf-8?b?{b2a_base64(data[at:], newline=False).decode('ascii')}?=")
    return words


def _q_words(text: str, data: bytes, room: int) -> list[str]:
    whole = "".join([_Q[octet] for octet in data])
    if len(whole) + _OVERHEAD <= room:
        return [f"=?utf-8?q?{whole}?="]
    words = []
    line: list[str] = []
    left = room - _OVERHEAD
    for char in text:
        piece = _Q[ord(char)] if char < "\x80" else "".join([_Q[octet] for octet in char.encode("utf-8")])
        if len(piece) > left:
            words.append(f"=?utf-8?q?{''.join(line)}?=")
            line = []
            left = _LONGEST - _OVERHEAD
        line.append(piece)
        left -= len(piece)
    words.append(f"=?utf-8?q?{''.join(line)}?=")
    return words
