"""The group that opens a transaction, spoken over a wire: in one write, or one command at a time (RFC 2920).

The pipeline calls `speak` for a transaction that no content comes before.

Rules of the file: when it returns, the transaction has judged every reply; when it raises, `told` holds the replies that pair
with a command of the group.
"""

from __future__ import annotations

from .replies import WireFault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..reply import Reply
    from .patience import Patience
    from .transaction import Transaction
    from .wire import Wire


async def speak(wire: Wire, transaction: Transaction, patience: Patience, told: list[Reply]) -> None:
    """Say RSET if the transaction before needs it, MAIL, RCPT … and DATA. Raises `WireFault`."""
    singly: list[Reply] = []
    reset = wire.extensions.pipelining and wire.needs_reset
    try:
        if wire.extensions.pipelining:
            wire.needs_reset = False
            group = b"RSET\r\n" + transaction.group if reset else transaction.group
            replies = await wire.exchange(group, transaction.count + reset, patience)
            if reset:
                check_reset(replies[0])
            transaction.judge(replies, 1 if reset else 0)
        else:
            await _singly(wire, transaction, patience, singly)
    except WireFault as fault:
        # What came and was no SMTP pairs with nothing, and the first reply with RSET where that was said.
        told += [] if fault.kind == "protocol" else [*singly, *wire.replies[1 if reset else 0 :]]
        raise


async def _singly(wire: Wire, transaction: Transaction, patience: Patience, told: list[Reply]) -> None:
    """Speak with a server without PIPELINING: one command, one reply."""
    if wire.needs_reset:
        wire.needs_reset = False
        check_reset((await wire.exchange(b"RSET\r\n", 1, patience))[0])
    lines = transaction.group.split(b"\r\n")
    transaction.hear(told)
    told += await wire.exchange(lines[0] + b"\r\n", 1, patience)
    if not transaction.judge_mail(told[0]):
        return
    for line in lines[1:-2]:
        told += await wire.exchange(line + b"\r\n", 1, patience)
    transaction.judge_recipients(told[1:])
    if transaction.accepted:
        told += await wire.exchange(b"DATA\r\n", 1, patience)
        transaction.judge_data(told[-1])
    is_whole = len(transaction.accepted) == len(transaction.addresses)
    transaction.is_rough = not (transaction.is_going and is_whole)


def check_reset(reply: Reply) -> None:
    """Raise `WireFault` unless RSET was taken: the transaction before may still be open on the server."""
    if not reply.is_positive:
        raise WireFault("protocol", f"the server refused RSET: {reply}")
