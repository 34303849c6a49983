"""Random schedules of mails that are cancelled, and the judgement of what is told of them: `play_all`.

Rules of the file: all is seeded; what the server has on record is the judge. How a schedule interrupts is the test's.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from random import Random
from typing import TYPE_CHECKING, Any

from modernmail import Mailer, Message
from modernmail.errors import DeliveryError

from .notary import Notary

if TYPE_CHECKING:
    from services.certificates import CertificateAuthority

AT_ONCE = 10  # schedules over one mailer


def message(name: str, random: Random) -> Message:
    """Return a mail whose sender, recipients and Message-ID all bear its name; some of its recipients are nobody."""
    recipients = [
        f"{'nobody' if random.random() < 0.2 else 'r'}{place}-{name}@example.com"
        for place in range(random.choice((1, 1, 2, 4)))
    ]
    text = "x" * random.choice((10, 10, 3000, 200_000))
    identity = {"Message-ID": f"<{name}@example.com>"}
    return Message("x", text, from_email=f"s-{name}@example.com", to=recipients, headers=identity)


def receipt_of(error: BaseException | None) -> Any:
    """Return the receipt that an error carries, or one of those it was made from."""
    while error is not None:
        if getattr(error, "receipt", None) is not None:
            return error.receipt  # type: ignore[attr-defined]
        error = error.__cause__ or error.__context__
    return None


async def one(mailer: Mailer, mail: Message, random: Random) -> list[Any]:
    """Send one mail, perhaps with a limit of time around it."""
    limit = random.random() * 0.004 if random.random() < 0.3 else None
    try:
        async with asyncio.timeout(limit):
            return [await mailer.asend(mail)]
    except (DeliveryError, TimeoutError, asyncio.CancelledError) as error:
        return [receipt_of(error)]


async def many(mailer: Mailer, mails: list[Message], random: Random) -> list[Any]:
    """Send some as a stream, perhaps left before its end."""
    receipts = []
    most = random.randint(0, len(mails) + 1)
    sending = mailer.asend_many(mails)
    try:
        async with sending:
            async for receipt in sending:
                receipts.append(receipt)
                if len(receipts) >= most:
                    break
    except asyncio.CancelledError:
        pass
    return [*receipts, *sending.unsent]


def untrue(mails: list[Message], receipts: list[Any] | None, notary: Notary) -> list[str]:
    """Return what is wrong with the receipts of these mails."""
    if receipts is None:  # cancelled before it had begun
        return []
    wrong = []
    if len(mails) == 1 and receipts[0] is None:
        return ["no receipt"]
    if len({receipt.position for receipt in receipts}) < len(receipts):
        wrong.append("a mail has two receipts")
    for receipt in receipts:
        mail = mails[receipt.position]
        token = receipt.message_id.strip("<>")
        assert f"<{token}>" == mail.headers.get("Message-ID")
        for address, outcome in receipt.recipients.items():
            was_taken = notary.taken[token, address]
            if outcome.reply is not None and outcome.phase != "connect":
                said = outcome.reply.text.split(" ", 1)[1]
                right = (f"rcpt {address}", f"content {token}", f"mail s-{token}", f"data s-{token}")
                if not said.startswith(right):
                    wrong.append(f"{address} of {token} has another's reply: {outcome.reply}")
            if outcome.status == "accepted" and not was_taken:
                wrong.append(f"{address} of {token} is accepted, and was not taken")
            if outcome.status in ("deferred", "rejected") and was_taken:
                wrong.append(f"{address} of {token} is {outcome}, and was taken")
            if was_taken > 1:
                wrong.append(f"{address} of {token} was taken {was_taken} times")
    return wrong


Schedule = Callable[[Mailer, int], Awaitable[list[tuple[list[Message], list[Any] | None]]]]


async def play(schedule: Schedule, seeds: range, authority: CertificateAuthority | None) -> None:
    """Play these schedules over one mailer, and judge them."""
    random = Random(seeds.start)
    context = None if authority is None else authority.issue().context()
    async with Notary(random, chunking=random.random() < 0.3, context=context) as notary:
        pool = random.randint(1, 3)
        options = [
            f"pool={pool}",
            "timeout=0.1",
            "final_timeout=0.1",
            f"max_messages={random.choice((3, 1000))}",
        ]
        if random.random() < 0.3:
            options.append(f"deadline={random.choice((0.003, 0.02, 1))}")
        if notary.chunking:
            options += ["chunking=on", f"window={random.choice((1, 4))}"]
        scheme = "smtp"
        if authority is not None:
            scheme = "smtps"
            options.append(f"ca={authority.ca_file}")
        # Half of them by a name, so that the addresses it has are raced.
        host = "localhost" if seeds.start // AT_ONCE % 2 else "127.0.0.1"
        url = f"{scheme}://{host}:{notary.port}?{'&'.join(options)}"
        told = []
        async with Mailer(url) as mailer:
            for seed in seeds:
                for mails, receipts in await schedule(mailer, seed):
                    told += [f"seed {seed}: {what}" for what in untrue(mails, receipts, notary)]
        # What the client closed the server hears of in some turns of the loop; what it did not, never.
        for _ in range(200):
            if not notary.open:
                break
            await asyncio.sleep(0.005)
        assert not told, f"{url}\n" + "\n".join(told)
        assert notary.open == 0, f"{url}: seeds {seeds}: {notary.open} connections are left open"


def play_all(
    schedule: Schedule, first: int, count: int, authority: CertificateAuthority | None = None
) -> None:
    """Play so many schedules; nothing is collected meanwhile, so that what only the collector closes shows."""
    gc.collect()
    gc.disable()
    try:
        for start in range(first, first + count, AT_ONCE):
            asyncio.run(play(schedule, range(start, start + AT_ONCE), authority))
    finally:
        gc.enable()
