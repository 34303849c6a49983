"""What was said in a transaction that did not go well, as lines for the receipt and the error.

The pipeline attaches it; people read it.

Rules of the file: no content and no credential is in it; it stays short however many recipients there were.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..reply import Reply
    from .transaction import Transaction

_MOST = 200  # lines
_KEPT = 20  # lines at the end that are kept when there are more
_LONGEST = 500  # characters of a line


def transcript(transaction: Transaction, replies: Sequence[Reply], end: str | None = None) -> tuple[str, ...]:
    """Return the commands, each with its reply, and how it ended: `>` is what we said, `<` the server, `!` our own remark."""
    said: list[str] = []
    count = transaction.count
    for place, verb in enumerate(transaction.verbs):
        said.append(_cut(f"> {verb}"))
        if place < len(replies):
            said.append(_cut(f"< {replies[place]}"))
    if transaction.is_sent:
        said.append(f"> … content of {transaction.delivery.parcel.content.size} octets")
    said += [_cut(f"< {reply}") for reply in replies[count:]]
    if end is not None:
        said.append(f"! {end}")
    if len(said) > _MOST:
        left_out = len(said) - _MOST
        said[_MOST - _KEPT : -_KEPT] = [f"… {left_out} lines left out"]
    return tuple(said)


def _cut(line: str) -> str:
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]} …"
