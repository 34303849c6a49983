"""What follows from an attempt at a mail: the pure decisions, for every mixture of outcomes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modernmail.envelope import Envelope
from modernmail.errors import ConfigurationError
from modernmail.outcome import STATUSES as OUTCOMES
from modernmail.outcome import Outcome
from modernmail.receipt import Receipt
from modernmail.tasks import Schedule
from modernmail.tasks.recipients import (
    STATUSES,
    overall,
    pending,
    phase_of,
    resent,
    settled,
    status_of,
    summary,
)
from modernmail.tasks.verdict import verdict

PEOPLE = ["a@example.com", "b@example.com", "c@example.com"]
SCHEDULE = Schedule(delays=(10.0,), growing=0.0, longest=10.0, jitter=0.0, patience=100.0)
outcomes = st.sampled_from(OUTCOMES).map(lambda status: Outcome(status, reason="said"))


def receipt(outcomes: dict[str, Outcome]) -> Receipt:
    """Return a receipt with these outcomes."""
    return Receipt("<1@example.com>", Envelope("me@example.com", list(outcomes) or PEOPLE), outcomes)


@given(st.lists(st.lists(outcomes, min_size=3, max_size=3), min_size=1, max_size=6))
def test_who_is_settled_stays_settled_and_nobody_is_tried_without_need(attempts: list[list[Outcome]]) -> None:
    """Over any course of attempts: accepted, rejected and unknown never change, deferred ones alone are
    tried."""
    state: dict[str, dict[str, object]] = {}
    seen: dict[str, str] = {}
    for number, found in enumerate(attempts, 1):
        tried = pending(PEOPLE, state)
        if not tried:
            break
        said = {name: outcome for name, outcome in zip(PEOPLE, found, strict=True) if name in tried}
        result = verdict(
            PEOPLE,
            state,
            receipt(said),
            SCHEDULE,
            now=float(number),
            attempts=number,
            since=0.0,
            expires=None,
        )
        state = result.state
        for name, status in seen.items():
            assert state[name]["status"] == status
        seen |= {name: one["status"] for name, one in state.items() if one["status"] != "deferred"}  # type: ignore[misc]
        waits = any(one["status"] == "deferred" for one in state.values())
        assert (result.phase == "waiting", result.run_after is not None) == (waits, waits)
        assert pending(PEOPLE, state) == [name for name in PEOPLE if state[name]["status"] == "deferred"]


def test_what_needs_attention_names_the_end() -> None:
    """Unknown before expired before discarded before rejected before accepted."""
    state = {name: {"status": "accepted"} for name in PEOPLE}
    for status in ("rejected", "discarded", "expired", "unknown"):
        state["b@example.com"] = {"status": status}
        assert (phase_of(PEOPLE, state), overall(PEOPLE, state, status)) == (status, status)
    assert summary(PEOPLE, state, "unknown") == {"accepted": 2, "unknown": 1}


@pytest.mark.parametrize(
    ("phase", "status"),
    [
        ("queued", "queued"), ("waiting", "queued"), ("leased", "sending"), ("content", "sending"),
        ("unknown", "unknown"), ("expired", "expired"), ("failed", "rejected"),
    ],
)  # fmt: skip
def test_who_was_not_tried_has_the_status_of_the_phase(phase: str, status: str) -> None:
    """Every status is one of the documented ones."""
    assert status_of("a@example.com", {}, phase) == status
    assert status in STATUSES


def test_attempts_end_with_the_schedule_or_with_expires() -> None:
    """A next attempt that would come too late is not made: the recipients have expired, with the last answer."""
    later = receipt({name: Outcome("deferred", reason="busy") for name in PEOPLE})
    for since, expires in ((0.0, None), (90.0, 105.0)):
        result = verdict(PEOPLE, {}, later, SCHEDULE, now=95.0, attempts=3, since=since, expires=expires)
        assert result.phase == "expired"
        assert "given up after 3 attempts; the last answer: deferred: busy" in str(
            result.state["a@example.com"]
        )
    assert (
        verdict(PEOPLE, {}, later, SCHEDULE, now=95.0, attempts=3, since=90.0, expires=None).run_after
        == 105.0
    )


def test_a_mail_of_which_nothing_could_be_made_is_rejected() -> None:
    """A receipt without recipients ends everybody with its error."""
    empty = Receipt(None, None, {}, error=ConfigurationError("the layer broke"))
    result = verdict(PEOPLE, {}, empty, SCHEDULE, now=1.0, attempts=1, since=0.0, expires=None)
    assert result.phase == "rejected"
    assert "the layer broke" in str(result.state)


def test_a_mail_that_a_layer_sent_elsewhere_is_as_good_as_sent() -> None:
    """What became of the address it went to goes for whom it was meant; the worst, when there are several."""
    redirected = receipt({"guard@example.com": Outcome("accepted"), "other@example.com": Outcome("rejected")})
    result = verdict(PEOPLE, {}, redirected, SCHEDULE, now=1.0, attempts=1, since=0.0, expires=None)
    assert result.phase == "rejected"
    assert {result.state[name]["status"] for name in PEOPLE} == {"rejected"}


def test_unknown_is_left_only_when_somebody_says_so() -> None:
    """`resend_unknown` puts them back; `resent` does so by hand; others keep their state."""
    half = receipt({"a@example.com": Outcome("accepted"), "b@example.com": Outcome("unknown")})
    people = PEOPLE[:2]
    kept = verdict(people, {}, half, SCHEDULE, now=1.0, attempts=1, since=0.0, expires=None)
    assert (kept.phase, kept.run_after) == ("unknown", None)
    again = verdict(
        people, {}, half, SCHEDULE, now=1.0, attempts=1, since=0.0, expires=None, resend_unknown=True
    )
    assert (again.phase, pending(people, again.state)) == ("waiting", ["b@example.com"])
    assert pending(people, resent(people, kept.state)) == ["b@example.com"]
    ended = settled(people, again.state, "discarded", "by hand", 2.0)
    assert phase_of(people, ended) == "discarded"


def test_the_schedule_is_the_documented_one() -> None:
    """1, 5, 15 and 30 minutes, then hourly growing to four hours, each moved by up to a fifth."""
    plain = Schedule(jitter=0.0)
    hours = [plain.delay_after(attempt) / 3600 for attempt in range(5, 11)]
    assert [plain.delay_after(attempt) / 60 for attempt in range(1, 5)] == [1, 5, 15, 30]
    assert hours == [1, 2, 3, 4, 4, 4]
    moved = [Schedule().delay_after(1) for _ in range(200)]
    assert 48 <= min(moved) < max(moved) <= 72


@pytest.mark.parametrize("text", ["", "soon", "1,-2", "inf"])
def test_a_schedule_that_makes_no_sense_is_refused(text: str) -> None:
    """The error shows the option."""
    with pytest.raises(ConfigurationError, match=r"retry=.*must be seconds"):
        Schedule.from_text(text, patience=10)
