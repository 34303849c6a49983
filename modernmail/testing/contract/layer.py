"""The contract of a layer, rule by rule: `check_layer`.

Rules of the file: a rule is a function with the rule as its docstring; it makes the layers it needs, and knows no kind of
layer.
"""

from __future__ import annotations

import inspect

from modernmail.layers.layer import Again, Layer, Stop, Wait
from modernmail.parcel import Parcel
from modernmail.receipt import Receipt

from .drive import run
from .rule import hold
from .samples import StreamedMail, folder, mails, receipts
from .stream import closes_early, one_receipt_each, serves_threads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from modernmail.content import Content
    from modernmail.runtime import IO

    Make = Callable[[], Layer]
    Rule = Callable[[Make, str], None]


def check_layer(make: Make, *, resends_unknown: bool = False) -> None:
    """Hold a layer to its contract; `make` returns a fresh one.

    `resends_unknown` says that it is meant to try those again who may have got the mail. Raises `AssertionError`.

    >>> from modernmail.layers import Retry
    >>> check_layer(lambda: Retry(max_attempts=3, delay=0.1))
    """
    for rule in LAYER_RULES:
        if resends_unknown and rule is _retried_safely:
            continue
        hold(rule, make)


def _is_layer(make: Make, _mode: str) -> None:
    """A layer is a `Layer`; its hooks are coroutine functions; its capabilities are attributes of the right kind."""
    layer = make()
    assert isinstance(layer, Layer), f"{layer!r} is no modernmail.layers.Layer"
    for name in ("before", "admit", "after", "close"):
        hook = getattr(layer, name)
        assert inspect.iscoroutinefunction(hook), f"{name} must be an async def"
    assert isinstance(layer.changes_content, bool), "changes_content must be True or False"
    assert isinstance(layer.signs, bool), "signs must be True or False"


def _before_is_honest(make: Make, mode: str) -> None:
    """`before` gives a parcel of the same Message-ID, or `Stop`; it changes content only when it says so, and no body."""
    for what, parcel in mails().items():
        layer = make()
        octets = bytes(parcel.content)
        answer = _before(mode, layer, parcel)
        assert bytes(parcel.content) == octets, f"{what}: the parcel that was given has changed"
        assert isinstance(answer, (Parcel, Stop)), f"{what}: before gave {answer!r}"
        if isinstance(answer, Stop):
            _check_stop(what, answer, parcel)
        after = answer.rest if isinstance(answer, Stop) else answer
        if after is None:
            continue
        assert after.message_id == parcel.message_id, f"{what}: the Message-ID was changed"
        _check_content(what, layer, parcel.content, after.content)


def _before(mode: str, layer: Layer, parcel: Parcel) -> Parcel | Stop:
    return run(mode, lambda io: layer.before(parcel, io))


def _admission(mode: str, layer: Layer, parcel: Parcel) -> Wait | Stop | None:
    return run(mode, lambda io: layer.admit(parcel, io))


def _check_stop(what: str, stop: Stop, parcel: Parcel) -> None:
    assert isinstance(stop.reason, str), f"{what}: Stop has no reason"
    assert stop.reason, f"{what}: Stop has no reason"
    assert stop.status in ("rejected", "deferred"), (
        f"{what}: nobody is {stop.status} by a layer before the delivery"
    )
    if stop.rest is not None:
        left = set(stop.rest.envelope.recipients)
        strangers = left - set(parcel.envelope.recipients)
        assert not strangers, f"{what}: the rest has recipients that the mail had not: {strangers}"
        assert len(left) < len(parcel.envelope.recipients), f"{what}: Stop stops nobody"


def _check_content(what: str, layer: Layer, given: Content, after: Content) -> None:
    octets, before = bytes(after), bytes(given)
    assert len(octets) == after.size, f"{what}: the content has {len(octets)} octets and says {after.size}"
    assert octets.endswith(b"\r\n"), f"{what}: the content does not end with CRLF"
    assert octets.count(b"\n") == octets.count(b"\r\n") == octets.count(b"\r"), f"{what}: a bare CR or LF"
    assert max(map(len, octets.split(b"\r\n"))) <= 998, f"{what}: a line of more than 998 octets"
    stuffed = b"".join(after.stuffed_chunks())
    expected = b"." + octets if octets.startswith(b".") else octets
    assert stuffed == expected.replace(b"\r\n.", b"\r\n.."), f"{what}: the dots are not doubled"
    assert after.head.endswith(b"\r\n\r\n"), f"{what}: the header block does not end with a blank line"
    assert octets[len(after.head) :] == before[len(given.head) :], f"{what}: the body was changed"
    if octets == before:
        return
    assert layer.changes_content or layer.signs, (
        f"{what}: the content was changed, and changes_content is False"
    )
    if layer.signs and not layer.changes_content:
        assert octets.endswith(before), f"{what}: what was signed was changed"


def _streams(make: Make, mode: str) -> None:
    """A content that is streamed stays so: `before` reads a streamed part at most once, and keeps nothing of it."""
    with folder() as path:
        mail = StreamedMail(path)
        answer = _before(mode, make(), mail.parcel)
        assert mail.passes <= 1, f"a streamed part was read {mail.passes} times"
        after = answer.rest if isinstance(answer, Stop) else answer
        if after is not None:
            assert after.content.is_streamed, "the content is no longer streamed"
            assert bytes(after.content).endswith(bytes(mail.parcel.content)[-1000:]), "the body was changed"


def _admits(make: Make, mode: str) -> None:
    """`admit` gives None, `Wait` with a delay of 0 or more, or `Stop` without a rest."""
    for what, parcel in mails().items():
        answer = _admission(mode, make(), parcel)
        if isinstance(answer, Wait):
            assert answer.delay >= 0, f"{what}: Wait({answer.delay!r})"
        elif isinstance(answer, Stop):
            assert answer.rest is None, f"{what}: from admit nobody goes on"
            _check_stop(what, answer, parcel)
        else:
            assert answer is None, f"{what}: admit gave {answer!r}"


def _keeps_outcomes(make: Make, mode: str) -> None:
    """`after` loses no recipient and changes no outcome: what the server said stands."""
    for what, parcel, receipt, answer in _answers(make, mode):
        if isinstance(answer, Again):
            continue
        assert isinstance(answer, Receipt), f"{what}: after gave {answer!r}"
        before = {name: found.status for name, found in receipt.recipients.items()}
        now = {name: found.status for name, found in answer.recipients.items()}
        assert before == now, f"{what}: the outcomes were {before} and are {now}"
        assert answer.message_id == parcel.message_id, f"{what}: the Message-ID was changed"
        assert answer.position == receipt.position, f"{what}: the position was changed"


def _retried_safely(make: Make, mode: str) -> None:
    """`Again` names deferred recipients only: nobody who has the mail, or may have it, gets it twice."""
    for what, _, receipt, answer in _answers(make, mode):
        if not isinstance(answer, Again):
            continue
        assert answer.delay >= 0, f"{what}: Again({answer.delay!r})"
        assert answer.recipients, f"{what}: Again without recipients"
        for name in answer.recipients:
            found = receipt.recipients.get(name)
            assert found is not None, f"{what}: {name} is no recipient of this mail"
            assert found.status == "deferred", f"{what}: {name} is {found.status} and would be tried again"


def _gives_up(make: Make, mode: str) -> None:
    """`after` gives up in the end: it answers with the receipt after very many attempts and a very long time."""
    for what, _, _, answer in _answers(make, mode, attempts=1_000_000, seconds=1e9):
        assert isinstance(answer, Receipt), f"{what}: after a million attempts it still says {answer!r}"


def _answers(
    make: Make, mode: str, *, attempts: int = 1, seconds: float = 0.01
) -> list[tuple[str, Parcel, Receipt, Receipt | Again]]:
    """Return what `after` says to receipts of every outcome."""
    parcel = mails()["to everybody, one of them blind"]
    found: list[tuple[str, Parcel, Receipt, Receipt | Again]] = []

    async def ask(io: IO) -> None:
        for what, receipt in receipts(parcel).items():
            given = receipt.replace(attempts=attempts, seconds=seconds)
            found.append((what, parcel, given, await make().after(parcel, given, io)))

    run(mode, ask)
    return found


LAYER_RULES: tuple[Rule, ...] = (
    _is_layer,
    _before_is_honest,
    _streams,
    _admits,
    _keeps_outcomes,
    _retried_safely,
    _gives_up,
    one_receipt_each,
    closes_early,
    serves_threads,
)
