"""Clocks that are set: two hours forward or back, a day back and forward again, out of all calendars.

A jump may put off what is to happen at a time of day, or bring it forward, by no more than the jump; it sends nothing twice,
loses nothing, and lets nothing be held for longer.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import chores
import pytest
from working import outbox, work

import modernmail
from modernmail import Message
from modernmail.layers import RedisLimits, SQLiteLimits
from modernmail.layers.limits.bucket import Limit
from modernmail.tasks.lanes import Lanes
from modernmail.tasks.pulse import UNSURE, Pulse
from modernmail.tasks.sqlite.boot import boot_id
from modernmail.tasks.sqlite.lease import Lease, Mark
from modernmail.tasks.sqlite.mail import MailStore
from modernmail.tasks.sqlite.pause import LONGEST, SHORTEST, Pauses
from modernmail.tasks.sqlite.recovery import recover
from modernmail.tasks.trouble import Trouble
from modernmail.testing import Rule, ScriptedSMTPServer

if TYPE_CHECKING:
    from pathlib import Path

    from services.redis import Redis

    from modernmail.tasks.sqlite import SQLiteBackend

HOUR, DAY = 3600.0, 86_400.0
LANE = "mail:default"


class Wall:
    """The time of day, which can be set; and, where a test wants it, the time since boot, which can pass."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead = 0.0
        real, real_ns = time.time, time.time_ns
        monkeypatch.setattr(time, "time", lambda: real() + self.ahead)
        monkeypatch.setattr(time, "time_ns", lambda: real_ns() + int(self.ahead * 1e9))

    def at(self, seconds: float) -> datetime:
        """The time of day so many seconds from now."""
        return datetime.fromtimestamp(time.time() + seconds, UTC)


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Wall:
    """The time of day, as it is until the test sets it."""
    return Wall(monkeypatch)


def mail(**more: Any) -> Message:
    """Return a message to somebody."""
    return Message("Hello", "Text", to=["you@example.com"], **more)


@pytest.mark.parametrize("jump", [2 * HOUR, -2 * HOUR, -DAY, 1.0, -1.0])
def test_a_claim_does_not_care_what_time_of_day_it_is(
    backend: SQLiteBackend, wall: Wall, jump: float
) -> None:
    """Whoever holds mail goes on holding it, passes its commit point, and stores what came of it; nobody takes it over."""
    mail().enqueue()
    lease = Lease(backend.database, "holder", 30)
    (job,) = lease.claim(lambda _: 1)
    wall.ahead = jump
    assert recover(backend.database) == (0, [])
    assert lease.renew()
    assert lease.commit_point(job.id, job.lease or "")
    wall.ahead = 0.0
    assert recover(backend.database) == (0, [])


def test_a_dead_workers_mail_comes_back_whatever_the_time_of_day(backend: SQLiteBackend, wall: Wall) -> None:
    """A day back, and the lease runs out when it would have."""
    mail().enqueue()
    Lease(backend.database, "dead", 0.1).claim(lambda _: 1)
    wall.ahead = -DAY
    time.sleep(0.1)
    assert recover(backend.database) == (1, [])


def test_what_waits_is_moved_by_no_more_than_the_jump(backend: SQLiteBackend, wall: Wall) -> None:
    """A deferred mail is tried when the clock says so: early, late by the jump, and sent once."""
    rules = [Rule("RCPT", session=session).reply("451 4.7.1 later") for session in (1, 2)]
    with ScriptedSMTPServer(rules) as server:
        modernmail.configure({"default": {"url": server.url(), "from_email": "shop@example.com"}})
        ticket = mail().enqueue()
        work(backend, concurrency=1)
        for ahead, attempts in (
            (0.0, 1),
            (-DAY, 1),
            (0.0, 1),
            (2 * HOUR, 2),
            (-2 * HOUR, 2),
            (2 * HOUR, 2),
            (4 * HOUR, 3),
        ):
            wall.ahead = ahead
            work(backend, concurrency=1)
            ticket.refresh()
            assert ticket.attempts == attempts, ahead
        assert ticket.status == "accepted"
        assert len(server.commits) == 1


def test_run_after_and_expires_are_times_of_day(backend: SQLiteBackend, wall: Wall) -> None:
    """What was to go in an hour goes when the clock says it is time; what was to expire has expired, and can be resent."""
    later, never = mail().enqueue(run_after=wall.at(HOUR)), mail().enqueue(expires=wall.at(HOUR))
    backend.database.execute(
        "UPDATE modernmail_job SET phase = 'waiting', run_after = 0 WHERE expires IS NOT NULL"
    )
    wall.ahead = 2 * HOUR
    work(backend, concurrency=1)
    assert [backend.get_ticket(ticket.id).status for ticket in (later, never)] == ["accepted", "expired"]
    wall.ahead = 0.0
    MailStore(backend).resend(never.id)
    work(backend, concurrency=1)
    assert backend.get_ticket(never.id).status == "accepted"
    assert len(outbox()) == 2


@pytest.mark.parametrize("jump", [2 * HOUR, -HOUR / 2, -2 * HOUR, -DAY])
def test_a_mailer_that_cannot_log_in_is_tried_less_and_less_often(
    backend: SQLiteBackend, wall: Wall, jump: float
) -> None:
    """However the clock was set: each try that fails makes its pause longer, and no pause is longer than an hour, or half an
    hour more where the clock went back by so much."""
    pauses = Pauses(backend.database)
    lanes = Lanes(pauses, 10)
    pauses.begin(LANE, "bad login", time.time())
    wall.ahead += jump
    tries, step = 0, 10.0
    waited = longest = 0.0
    for _ in range(int(6 * HOUR / step)):
        wall.ahead += step
        waited += step
        if LANE in lanes.closed() or not lanes.at_most(LANE):
            continue
        claimed_at = time.time()
        tries, longest, waited = tries + 1, max(longest, waited), 0.0
        pauses.begin(LANE, "bad login", claimed_at)
    assert 8 <= tries <= 12
    assert longest <= LONGEST + SHORTEST + max(0.0, -jump if jump > -LONGEST else 0.0)


@pytest.mark.parametrize("year", [1970, 2019, 2056, 2091, 2500, 9000])
def test_a_clock_out_of_all_calendars_uses_up_no_numbers(
    backend: SQLiteBackend, wall: Wall, year: int
) -> None:
    """Tasks and mails are stored and run by it, in the order of coming; and when it is right again, so are those after."""
    wall.ahead = (datetime(year, 6, 1, tzinfo=UTC) - datetime.now(UTC)).total_seconds()
    chores.note.enqueue(1)
    chores.note.enqueue_many([(2,), (3,)])
    mail().enqueue()
    wall.ahead = 0.0
    chores.note.enqueue(4)
    mail().enqueue()
    work(backend, concurrency=1)
    assert chores.done == [1, 2, 3, 4]
    assert len(outbox()) == 2
    assert backend.database.rows("SELECT max(id) < 1 << 62 FROM modernmail_job") == [(1,)]


def test_nothing_is_forgotten_by_a_clock_that_was_just_set(
    backend: SQLiteBackend, wall: Wall, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Set a month forward and right again, it takes no key and no result with it; an hour after it was set it counts."""
    monkeypatch.setattr("modernmail.tasks.pulse.PURGE", 0)
    since_boot = time.monotonic
    passed = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: since_boot() + passed)
    ticket = mail().enqueue(idempotency_key="once")
    work(backend, concurrency=1)
    pulse = Pulse(backend, Lease(backend.database, "w", 30), lambda line: None, Trouble("w"))

    def is_kept() -> bool:
        pulse.beat()
        return bool(backend.database.rows("SELECT 1 FROM modernmail_job"))

    for ahead in (30 * DAY, 0.0, 30 * DAY):
        wall.ahead = passed + ahead
        assert is_kept()
        passed += UNSURE / 2
        wall.ahead += UNSURE / 2
        assert is_kept()
    assert mail().enqueue(idempotency_key="once").id == ticket.id
    passed += UNSURE
    wall.ahead += UNSURE
    assert not is_kept()


@pytest.mark.parametrize("jumps", [[2 * HOUR], [-2 * HOUR], [-DAY, 0.0], [1.0, 0.0, 1.0]])
def test_a_rate_on_disk_lets_a_burst_more_through_for_each_jump(
    wall: Wall, tmp_path: Path, jumps: list[float]
) -> None:
    """And never holds a mail for longer than it would have: the next one goes within a step."""
    limits, limit = SQLiteLimits(tmp_path / "limits.db"), Limit(10, 60.0, 5)

    def taken(seconds: float) -> int:
        gone, end = 0, wall.ahead + seconds
        while wall.ahead < end:
            wait = limits.take("x", limit, 1)
            gone += not wait
            assert wait <= 6.0
            wall.ahead += wait or 0.001
        return gone

    assert taken(60) <= 5 + 10 + 1
    now = wall.ahead
    for jump in jumps:
        wall.ahead = now + jump
        assert 9 <= taken(60) <= 5 + 10 + 1
        now = wall.ahead - jump
    limits.close()


@pytest.mark.once
@pytest.mark.parametrize("jump", [2 * HOUR, -2 * HOUR, -DAY])
def test_a_rate_in_redis_is_like_that(redis: Redis, jump: float) -> None:
    """Its server's clock cannot be set from here; what it last wrote down can, which is the same."""
    pytest.importorskip("redis")
    limits, limit = RedisLimits(redis.url), Limit(10, 60.0, 5)
    assert [limits.take("x", limit, 1) for _ in range(5)] == [0.0] * 5
    assert 0.0 < limits.take("x", limit, 1) <= 6.0
    redis.command("HINCRBYFLOAT", "modernmail:limit:x", "at", str(-jump))
    found = [limits.take("x", limit, 1) for _ in range(6)]
    assert found.count(0.0) == (5 if jump > 0 else 0)
    assert max(found) <= 6.0
    limits.close()


def test_a_clock_that_goes_on_while_the_machine_sleeps(
    backend: SQLiteBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it does, every lease has run out when the machine wakes up: what was not sent goes to the next worker, what may have
    been is unknown until its own worker says better."""
    since_boot, slept = time.monotonic, 0.0
    monkeypatch.setattr(time, "monotonic", lambda: since_boot() + slept)
    tickets = [mail().enqueue() for _ in range(2)]
    lease = Lease(backend.database, "asleep", 30)
    early, late = lease.claim(lambda _: 2)
    assert lease.commit_point(late.id, late.lease or "")
    slept = 8 * HOUR
    assert not lease.commit_point(early.id, early.lease or "")
    assert recover(backend.database) == (1, [late.id])
    assert not lease.renew()
    work(backend, concurrency=1)
    assert [backend.get_ticket(ticket.id).status for ticket in tickets] == ["accepted", "unknown"]
    state = '{"recipients":{"you@example.com":{"status":"accepted","reply":null,"reason":"heard","phase":"content","at":0}}}'
    assert not lease.finish([Mark(late.id, late.lease or "", "accepted", state)])
    assert backend.get_ticket(tickets[1].id).status == "accepted"
    assert len(outbox()) == 1


@pytest.mark.parametrize(("code", "found"), [(0, "A1B2-C3"), (-1, "minute-")])
def test_a_boot_has_the_name_that_macos_gives_it(
    monkeypatch: pytest.MonkeyPatch, code: int, found: str
) -> None:
    """Its clock stands still while it sleeps, so that the minute in which it began is another afterwards."""

    class Libc:
        def sysctlbyname(self, name: bytes, into: Any, size: Any, new: None, length: Any) -> int:
            assert name == b"kern.bootsessionuuid"
            into.value = b"A1B2-C3"
            return code

    monkeypatch.setattr("modernmail.tasks.sqlite.boot.sys", SimpleNamespace(platform="darwin"))
    monkeypatch.setattr("ctypes.CDLL", lambda name, **_: Libc())
    assert boot_id.__wrapped__().startswith(found)
