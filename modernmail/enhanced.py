"""The enhanced status code in the words of a reply, where it does not stand as RFC 2034 has it: `found_in`.

`Reply.enhanced` asks when the usual place has none.

Rules of the file: a code counts where servers are known to write it, and when its class is that of the reply.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_CODE = rb"([245]\.[0-9]{1,3}\.[0-9]{1,3})"
_BEGINS = re.compile(rb"#?" + _CODE + rb"(?:[\s:]|$)")  # Cisco's number sign, OpenSMTPD's colon
_ENDS = re.compile(rb"\(#" + _CODE + rb"\)\s*$")  # qmail's brackets


def found_in(lines: Iterable[bytes], reply_class: int) -> str | None:
    """Return the first code of that class that one of these lines has.

    >>> found_in([b"#5.1.0 Address rejected."], 5), found_in([b"sorry, I have no mailbox of that name (#5.1.1)"], 5)
    ('5.1.0', '5.1.1')
    """
    for line in lines:
        found = _BEGINS.match(line) or _ENDS.search(line)
        # RFC 2034 4: the class must agree with the first digit of the reply code
        if found is not None and found[1][0] - ord("0") == reply_class:
            return found[1].decode("ascii")
    return None
