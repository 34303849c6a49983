"""An exception at any line of sync sending, as a signal's handler raises one: nothing is lost, nothing goes wrong after it."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from interrupting import Interrupted, raising_at

from modernmail import Mailer, Message, Receipt
from modernmail.testing import ScriptedSMTPServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Interrupted right at its beginning, a coroutine is never begun.
pytestmark = pytest.mark.filterwarnings(
    "ignore:coroutine .* was never awaited", "ignore::pytest.PytestUnraisableExceptionWarning"
)

_numbers = count(1)


def letters(many: int) -> list[Message]:
    """Return so many mails, each with a subject and two recipients of its own."""
    found = []
    for number in (next(_numbers) for _ in range(many)):
        to = [f"{number}-{at}@example.com" for at in range(2)]
        found.append(Message(f"{number}", "Text.\n", from_email="me@example.com", to=to))
    return found


def sent_once(mailer: Mailer, taken: list[Receipt]) -> Callable[[], object]:
    """Return what sends one mail and keeps its receipt."""
    (letter,) = letters(1)

    def act() -> None:
        try:
            taken.append(mailer.send(letter))
        except Interrupted as interrupted:
            taken.extend([interrupted.receipt] if hasattr(interrupted, "receipt") else [])
            raise

    return act


def sent_as_a_stream(mailer: Mailer, taken: list[Receipt]) -> Callable[[], object]:
    """Return what sends three mails and leaves after the second receipt."""
    sending = mailer.send_many(letters(3))

    def act() -> None:
        try:
            with sending:
                for receipt in sending:
                    taken.append(receipt)
                    if len(taken) == 2:
                        break
        finally:
            sending.close()
            taken.extend(sending.unsent)

    return act


def interrupted_everywhere(
    begin: Callable[[Mailer, list[Receipt]], Callable[[], object]], numbers: Iterator[int], **options: Any
) -> int:
    """Interrupt at each of these lines, and send a mail after each; return at how many there was something to interrupt."""
    receipts: list[Receipt] = []
    url = {"pool": 1, "timeout": 60, "deadline": 10, **options}
    capabilities = ["PIPELINING", "CHUNKING"]
    with ScriptedSMTPServer(capabilities=capabilities) as server, Mailer(server.url(**url)) as mailer:
        mailer.send(*letters(1))
        times = 0
        while True:
            taken: list[Receipt] = []
            if not raising_at(next(numbers), begin(mailer, taken)):
                break
            times += 1
            receipts += taken
            after = mailer.send(
                *letters(1)
            )  # it would wait in vain for a place that was lost, or inside DATA
            assert after.is_complete
        mailer.close()
        server.wait_until_idle()
        committed = [name for commit in server.commits for name in commit.recipients]
        for commit in server.commits:
            subject = commit.content.partition(b"Subject: ")[2].partition(b"\r\n")[0].decode()
            assert {name.partition("-")[0] for name in commit.recipients} == {subject}
    assert len(committed) == len(set(committed)), "somebody got a mail twice"
    told = [(name, outcome.status) for receipt in receipts for name, outcome in receipt.recipients.items()]
    assert len(told) == len(dict(told)), "a mail has two receipts"
    for name, status in told:
        assert status == "unknown" or (status == "accepted") == (name in committed)
    return times


STEPS = [(sent_once, {}), (sent_as_a_stream, {}), (sent_as_a_stream, {"chunking": "on", "window": 2})]
NAMES = ["one", "stream", "chunked"]


@pytest.mark.parametrize(("begin", "options"), STEPS, ids=NAMES)
def test_an_exception_at_some_lines(begin: Any, options: dict[str, Any]) -> None:
    """Each recipient's receipt is true, nobody is served twice, and the one connection serves the next mail at once."""
    assert interrupted_everywhere(begin, count(1, 29), **options) > 15


@pytest.mark.faults
@pytest.mark.parametrize(("begin", "options"), STEPS, ids=NAMES)
def test_an_exception_at_every_line(begin: Any, options: dict[str, Any]) -> None:
    """The same at every line that is executed."""
    assert interrupted_everywhere(begin, count(1), **options) > 500
