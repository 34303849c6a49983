"""The state of a queued mail, recipient by recipient: pure functions over plain values, stored as JSON.

A `State` maps an addr-spec to what is known of it: `status` (accepted, deferred, rejected, unknown, expired
or discarded), `reply`, `reason`, `phase`, as in `Outcome.to_dict()`, and `at`, when it became so. Who is not
in it has not been tried.

Rules of the file: accepted and rejected are never left again; unknown only by `resent`; whoever is pending is
the one and only that a new attempt may go to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from modernmail.receipt import Receipt

    State = dict[str, dict[str, Any]]

SETTLED = frozenset({"accepted", "rejected", "unknown", "expired", "discarded"})
STATUSES = ("queued", "sending", "accepted", "deferred", "rejected", "unknown", "expired", "discarded")
_OF_PHASE = {"leased": "sending", "content": "sending", "unknown": "unknown", "expired": "expired",
             "discarded": "discarded", "rejected": "rejected", "failed": "rejected"}  # fmt: skip


def pending(recipients: Iterable[str], state: State) -> list[str]:
    """Return the recipients that are still to be tried, in order."""
    return [one for one in recipients if one not in state or state[one]["status"] not in SETTLED]


def merged(state: State, receipt: Receipt, now: float) -> State:
    """Return the state after an attempt."""
    after = dict(state)
    for name, outcome in receipt.recipients.items():
        if name not in state or state[name]["status"] not in SETTLED:
            after[name] = {**outcome.to_dict(), "at": now}
    return after


def settled(recipients: Iterable[str], state: State, status: str, reason: str, now: float) -> State:
    """Return the state with everybody who was pending ended by us, for this reason."""
    after = dict(state)
    for name in pending(recipients, state):
        before = state.get(name, {})
        after[name] = {
            "status": status,
            "reply": before.get("reply"),
            "reason": reason,
            "phase": "local",
            "at": now,
        }
    return after


def resent(recipients: Iterable[str], state: State, statuses: Iterable[str] = ("unknown",)) -> State:
    """Return the state with those recipients that have one of the statuses to be tried again."""
    again = set(statuses)
    return {
        name: known for name, known in state.items() if known["status"] not in again or name not in recipients
    }


def phase_of(recipients: Iterable[str], state: State) -> str:
    """Return the phase of a mail with this state: `waiting` while somebody is pending, else how it ended."""
    names = list(recipients)
    if pending(names, state):
        return "waiting"
    found = {state[name]["status"] for name in names}
    return next(
        status for status in ("unknown", "expired", "discarded", "rejected", "accepted") if status in found
    )


def status_of(name: str, state: State, phase: str) -> str:
    """Return the status of one recipient of a mail in this phase: one of `STATUSES`."""
    known = state.get(name)
    if known is not None and known["status"] in SETTLED:
        return str(known["status"])
    if phase in _OF_PHASE:
        return _OF_PHASE[phase]
    return "queued" if known is None else "deferred"


def overall(recipients: Iterable[str], state: State, phase: str) -> str:
    """Return one status for a mail: what is most in need of somebody's attention comes first."""
    found = {status_of(name, state, phase) for name in recipients}
    order = ("sending", "unknown", "deferred", "queued", "expired", "discarded", "rejected", "accepted")
    return next((status for status in order if status in found), "queued")


def summary(recipients: Iterable[str], state: State, phase: str) -> Mapping[str, int]:
    """Return how many recipients have each status."""
    counts: dict[str, int] = {}
    for name in recipients:
        status = status_of(name, state, phase)
        counts[status] = counts.get(status, 0) + 1
    return counts
