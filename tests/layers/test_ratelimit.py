"""RateLimit: the rate holds, within a process and across processes; who came first goes first; nothing goes unasked."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from forked import forks, in_a_child
from hypothesis import given
from hypothesis import strategies as st
from services.process import service_folder
from services.redis import Redis

from modernmail import Backend, Mailer, Message
from modernmail.backends.backend import accepted
from modernmail.errors import ConfigurationError, RateLimited, StoreUnavailable
from modernmail.layers import RateLimit, RedisLimits, SQLiteLimits
from modernmail.layers.limits import bucket
from modernmail.layers.limits.bucket import Limit, taken
from modernmail.runtime import BlockingIO, run_blocking

if TYPE_CHECKING:
    from collections.abc import Callable

    from modernmail import Parcel, Receipt
    from modernmail.runtime import IO


def message(count: int = 1) -> Message:
    """Return a small mail to so many people."""
    people = [f"p{number}@example.com" for number in range(count)]
    return Message("Hi", "Text.\n", from_email="me@example.com", to=people)


class Times(Backend):
    """Remembers when each mail came, by which thread or task."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.who: list[str] = []

    async def send(self, parcel: Parcel, io: IO) -> Receipt:
        """Note it."""
        self.times.append(time.monotonic())
        self.who.append(parcel.envelope.return_path)
        return accepted(parcel, "noted")


# -- the arithmetic


@given(
    st.lists(st.tuples(st.floats(0, 3), st.integers(1, 4)), max_size=60),
    st.integers(1, 20),
    st.integers(1, 5),
)
def test_a_bucket_never_gives_more_than_its_rate(
    asks: list[tuple[float, int]], number: int, burst: int
) -> None:
    """Whatever is asked when: what was taken in any stretch of time is at most rate × time + capacity + one cost."""
    limit = Limit(number, 1.0, burst)
    tokens, at, now = limit.capacity, 0.0, 0.0
    log: list[tuple[float, int]] = []
    for pause, cost in asks:
        now += pause
        tokens, wait = taken(limit, tokens, now - at, cost)
        at = now
        assert wait >= 0
        if not wait:
            log.append((now, cost))
    for first, (begin, _) in enumerate(log):
        total = 0
        for end, cost in log[first:]:
            total += cost
            assert total <= limit.capacity + (end - begin) * limit.rate + cost + 1e-6


@given(st.floats(-10, 10), st.floats(-10, 0.99))
def test_the_wait_is_exact(elapsed: float, tokens: float) -> None:
    """After the wait that a bucket names the tokens are there, and not much before."""
    limit = Limit(5, 1.0)
    left, wait = taken(limit, tokens, elapsed, 1)
    if wait:
        assert taken(limit, left, wait * 1.000001 + 1e-9, 1)[1] == 0
        assert taken(limit, left, wait * 0.99, 1)[1] > 0


@given(
    st.integers(1, 50),
    st.floats(0.1, 100),
    st.lists(st.tuples(st.floats(0, 30), st.integers(1, 60)), max_size=30),
)
def test_a_bucket_in_memory_is_like_any_other(
    number: int, period: float, asked: list[tuple[float, int]]
) -> None:
    """What is asked of it gets the answers of the arithmetic that the shared stores have."""
    limit, now = Limit(number, period, number), 1000.0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bucket, "monotonic", lambda: now)
        limits = bucket.MemoryLimits()
        tokens = limit.capacity
        for elapsed, cost in asked:
            before, now = now, now + elapsed  # the clock's own difference: at the edge the last bit decides
            tokens, wait = taken(limit, tokens, now - before, cost)
            assert limits.take("x", limit, cost) == wait


def test_a_clock_that_goes_back_gives_nothing() -> None:
    """Set back by an hour, a clock neither fills a bucket nor locks it."""
    limit = Limit(10, 1.0)
    tokens, wait = taken(limit, 0.0, -3600.0, 1)
    assert (tokens, round(wait, 6)) == (0.0, 0.1)


# -- one process


@pytest.fixture
def late(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> float:
    """Let time pass by sleep alone, and each wake-up come so late: how fast a busy machine is decides nothing."""
    late: float = request.param
    clock = [1000.0]

    async def sleep(io: BlockingIO, seconds: float) -> None:
        clock[0] += max(seconds, 1e-9) + late  # no clock stands still while one sleeps

    monkeypatch.setattr(bucket, "monotonic", lambda: clock[0])
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(BlockingIO, "now", staticmethod(lambda: clock[0]))
    monkeypatch.setattr(BlockingIO, "sleep", sleep)
    return late


@pytest.mark.parametrize("late", [0.0, 0.0004, 0.003, 0.02], indirect=True)
def test_the_rate_holds(late: float) -> None:
    """Thirty mails at 200/s take 29 intervals, however late a wake-up comes, and no two come closer than allowed."""
    backend = Times()
    Mailer(backend, layers=[RateLimit("200/s")]).send_many([message()] * 30).finish()
    assert backend.times[-1] - backend.times[0] >= 28 / 200
    for at in range(len(backend.times) - 4):
        assert backend.times[at + 4] - backend.times[at] >= 2 / 200


@pytest.mark.parametrize("late", [0.0, 0.0004, 0.003], indirect=True)
def test_wake_ups_that_come_late_lose_nothing_of_the_rate(late: float) -> None:
    """What a late wake-up costs, up to 5 ms, is made up for by the next mails."""
    backend = Times()
    Mailer(backend, layers=[RateLimit("200/s")]).send_many([message()] * 30).finish()
    assert backend.times[-1] - backend.times[0] <= 29 / 200 + late + 1e-6


def test_a_burst_goes_at_once() -> None:
    """After a rest `burst` mails go without waiting; the next one waits."""
    layer = RateLimit("10/h", burst=3, patience=0)
    tally = Mailer("memory:", layers=[layer]).send_many([message()] * 5).finish()
    assert (tally.accepted, tally.deferred) == (3, 2)


def test_recipients_count() -> None:
    """With `unit="recipients"` a mail costs as many tokens as it has recipients; one that costs more leaves a debt."""
    layer = RateLimit("100/h", burst=10, unit="recipients", patience=0)
    mailer = Mailer("memory:", layers=[layer])
    assert mailer.send(message(8)).is_complete
    with pytest.raises(RateLimited):
        mailer.send(message(3))
    assert mailer.send(message(2)).is_complete
    debtor = RateLimit("3600/h", burst=10, unit="recipients", patience=0)
    Mailer("memory:", layers=[debtor]).send(message(50))
    with pytest.raises(RateLimited, match=r"may go in 4\d\.? s|may go in 41 s"):
        Mailer("memory:", layers=[debtor]).send(message(1))


@pytest.mark.parametrize("is_async", [False, True])
def test_without_patience_it_raises(is_async: bool) -> None:
    """What cannot go within the patience is deferred, and `send` raises `RateLimited`, which is transient."""
    mailer = Mailer("memory:", layers=[RateLimit("1/day", patience=0)])

    def send() -> None:
        asyncio.run(mailer.asend(message())) if is_async else mailer.send(message())

    send()
    with pytest.raises(RateLimited, match="1 messages in 86400 s is used up") as caught:
        send()
    assert caught.value.is_transient
    assert caught.value.receipt is not None
    assert caught.value.receipt.count("deferred") == 1


def test_patience_is_the_whole_wait() -> None:
    """A mail waits as long as its patience lasts, and is not asked to wait longer."""
    backend = Times()
    mailer = Mailer(backend, layers=[RateLimit("20/s", patience=0.2)])
    assert mailer.send_many([message()] * 3).finish().accepted == 3
    assert backend.times[2] - backend.times[0] >= 0.09


def test_threads_share_the_rate() -> None:
    """Many threads, one limit: all are served, and together no faster than the rate."""
    backend = Times()
    mailer = Mailer(backend, layers=[RateLimit("400/s")])
    gate = threading.Barrier(5)

    def work(name: str) -> None:
        letter = Message("Hi", "Text", from_email=f"{name}@example.com", to="zoe@example.com")
        gate.wait()
        for _ in range(12):
            mailer.send(letter)

    threads = [threading.Thread(target=work, args=(f"t{number}",)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(backend.who) == 60
    assert backend.times[-1] - backend.times[0] >= 56 / 400


class Counter:
    """A store that has a token whenever the test puts one there."""

    is_local = True

    def __init__(self) -> None:
        self.tokens = 0

    def take(self, name: str, limit: Limit, cost: int) -> float:
        """Take a token."""
        if not self.tokens:
            return 0.01
        self.tokens -= 1
        return 0.0


def test_who_came_first_goes_first() -> None:
    """Whoever asks first when a token comes: it is for the one who has waited longest, and a newcomer has to wait."""
    store = Counter()
    layer = RateLimit("100/s", store=store)
    first, second, third = (message().parcel() for _ in range(3))

    def may_go(parcel: Parcel) -> bool:
        return run_blocking(layer.admit(parcel, BlockingIO())) is None

    assert [may_go(first), may_go(second)] == [False, False]
    store.tokens = 3
    assert [may_go(third), may_go(second), may_go(first)] == [False, False, True]
    assert [may_go(third), may_go(second), may_go(third)] == [False, True, True]
    store.tokens = 1
    assert may_go(message().parcel())


def test_tasks_take_turns() -> None:
    """Under asyncio those who wait are served in the order of coming."""
    backend = Times()
    mailer = Mailer(backend, layers=[RateLimit("300/s")])

    async def main() -> None:
        letters = [
            Message("Hi", "Text", from_email=f"t{number}@example.com", to="zoe@example.com")
            for number in range(20)
        ]
        await asyncio.gather(*(mailer.asend(letter) for letter in letters))

    asyncio.run(main())
    assert backend.who == [f"t{number}@example.com" for number in range(20)]


def test_who_does_not_come_back_loses_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sending that was closed while it waited does not hold up the others."""
    monkeypatch.setattr("modernmail.layers.ratelimit._GRACE", 0.01)
    layer = RateLimit("50/s")
    mailer = Mailer("memory:", layers=[layer])
    sending = mailer.send_many([message(), message()])
    next(sending)

    assert run_blocking(layer.admit(message().parcel(), BlockingIO())) is not None  # and it never asks again
    assert sending.finish().accepted == 2


# -- several processes


@pytest.fixture(params=["sqlite", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A SQLite file, and a Redis."""
    if request.param == "sqlite":
        return str(tmp_path / "limits.sqlite")
    return request.getfixturevalue("redis").url  # type: ignore[no-any-return]


def limits(store: str) -> SQLiteLimits | RedisLimits:
    """Return the store of that address."""
    return RedisLimits(store) if "://" in store else SQLiteLimits(store)


def test_a_store_is_shared(store: str) -> None:
    """Two layers with stores of their own at one address share the rate of their name, and only that."""
    first = Mailer("memory:", layers=[RateLimit("2/h", burst=2, patience=0, store=limits(store))])
    second = Mailer("memory:", layers=[RateLimit("2/h", burst=2, patience=0, store=limits(store))])
    other = Mailer("memory:", layers=[RateLimit("2/h", patience=0, store=limits(store), name="other")])
    assert first.send(message()).is_complete
    assert asyncio.run(second.asend(message())).is_complete
    for mailer in (first, second):
        with pytest.raises(RateLimited):
            mailer.send(message())
    assert other.send(message()).is_complete
    for mailer in (first, second, other):
        mailer.close()


def fleet(
    store: str, folder: Path, *, count: int = 4, limit: str = "100/s", unit: str = "messages", seconds: float
) -> list[tuple[float, int]]:
    """Let some processes send for so many seconds; return when each mail went, and its cost, in order."""
    script = Path(__file__).with_name("sender.py")
    files = [folder / f"{number}.txt" for number in range(count)]
    senders = [
        subprocess.Popen(
            [sys.executable, str(script), store, limit, unit, str(seconds), str(file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for file in files
    ]
    for sender in senders:
        assert sender.stdout is not None
        assert sender.stdout.readline() == b"ready\n"
    for sender in senders:
        assert sender.stdin is not None
        sender.stdin.write(b"go\n")
        sender.stdin.flush()
    for sender in senders:
        assert sender.wait(seconds + 30) == 0
        assert sender.stdin is not None
        assert sender.stdout is not None
        sender.stdin.close()
        sender.stdout.close()
    lines = [line.split() for file in files for line in file.read_text().splitlines()]
    assert all(file.read_text() for file in files), "a process was never served"
    return sorted((float(at), int(cost)) for at, cost in lines)


def most_in_a_second(log: list[tuple[float, int]]) -> int:
    """Return the largest sum of costs within any second."""
    most = total = begin = 0
    for at, cost in log:
        total += cost
        while at - log[begin][0] >= 1.0:
            total -= log[begin][1]
            begin += 1
        most = max(most, total)
    return most


def test_processes_share_a_rate(store: str, tmp_path: Path) -> None:
    """Two processes together keep to the rate that one of them would have."""
    log = fleet(store, tmp_path, count=2, seconds=1.2)
    seconds = log[-1][0] - log[0][0]
    assert len(log) <= 100 * seconds + 3
    assert most_in_a_second(log) <= 103


@pytest.mark.figures
@pytest.mark.parametrize("unit", ["messages", "recipients"])
def test_the_rate_is_held_within_two_percent(
    store: str, unit: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """100/s by four processes over ten seconds: within 2 %, and in no second more than 102."""
    log = fleet(store, tmp_path, unit=unit, seconds=10.5)
    begin = log[0][0]
    total = sum(cost for at, cost in log if at - begin < 10.0)
    record_property("in ten seconds", total)
    record_property("at most in a second", most_in_a_second(log))
    assert 980 <= total <= 1020
    assert most_in_a_second(log) <= 102


# -- faults


def test_redis_gone_in_mid_run() -> None:
    """With the store gone nothing is sent: each mail is deferred with an error that names it; it goes on when it is back."""
    backend = Times()
    with service_folder("redis") as folder:
        server = Redis(folder)
        mailer = Mailer(backend, layers=[RateLimit("1000/s", store=RedisLimits(server.url))])
        with server:
            assert mailer.send(message()).is_complete
        receipts = list(mailer.send_many([message(), message()]))
        assert [receipt.count("deferred") for receipt in receipts] == [1, 1]
        with pytest.raises(StoreUnavailable, match=f"the Redis at 127.0.0.1:{server.port} cannot") as caught:
            mailer.send(message())
        assert caught.value.is_transient
        assert len(backend.times) == 1
        with server:
            assert mailer.send(message()).is_complete
        mailer.close()


@pytest.mark.once
@pytest.mark.parametrize("is_async", [False, True])
def test_redis_gone_in_the_middle_of_a_sending(is_async: bool) -> None:
    """Those before it are sent, those behind it deferred, each once; with a queue they go when it is back."""

    class Cuts(Times):
        async def send(self, parcel: Parcel, io: IO) -> Receipt:
            if len(self.times) == 3:
                server.__exit__(None, None, None)
            return await super().send(parcel, io)

    backend = Cuts()
    letters = [message() for _ in range(10)]
    with service_folder("redis") as folder:
        server = Redis(folder)
        server.__enter__()
        mailer = Mailer(backend, layers=[RateLimit("1000/s", burst=500, store=RedisLimits(server.url))])

        async def asend() -> list[Receipt]:
            async with mailer:
                return [receipt async for receipt in mailer.asend_many(letters)]

        receipts = asyncio.run(asend()) if is_async else list(mailer.send_many(letters))
        mailer.close()
    assert [receipt.position for receipt in receipts] == list(range(10))
    assert [receipt.count("accepted") for receipt in receipts] == [1] * 4 + [0] * 6
    assert [receipt.count("deferred") for receipt in receipts] == [0] * 4 + [1] * 6
    assert all(isinstance(receipt.error, StoreUnavailable) for receipt in receipts[4:])
    assert len(backend.times) == 4


@pytest.mark.once
def test_queued_mail_outlives_a_redis_that_is_gone(tmp_path: Path) -> None:
    """Nothing is sent while the limit cannot be asked, nothing is lost, and each mail goes once when it can."""
    import modernmail
    from modernmail import tasks
    from modernmail.registry import mailers
    from modernmail.tasks.sqlite import SQLiteBackend
    from modernmail.tasks.worker import Worker

    with service_folder("redis") as folder:
        server = Redis(folder)
        limit = RateLimit("1000/s", burst=500, store=RedisLimits(server.url))
        modernmail.configure({"default": {"url": "memory:", "layers": [limit]}})
        tasks.configure(f"sqlite:////{tmp_path}/queue.db?retry=0.01")
        try:
            queue = tasks.task_backends["default"]
            assert isinstance(queue, SQLiteBackend)
            tickets = [message().enqueue() for _ in range(5)]
            Worker(queue, until_empty=True).run()
            kept = mailers["default"].backend.outbox  # type: ignore[attr-defined]
            assert not kept
            with server:
                deadline = time.monotonic() + 20
                while not all(ticket.is_finished for ticket in tickets):
                    assert time.monotonic() < deadline
                    Worker(queue, until_empty=True).run()
                    for ticket in tickets:
                        ticket.refresh()
            assert [ticket.status for ticket in tickets] == ["accepted"] * 5
            assert len(kept) == 5
        finally:
            mailers["default"].close()
            tasks.configure({})
            modernmail.configure({})


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    """A store that cannot be read defers the mail and names the file."""
    (tmp_path / "limits").write_bytes(b"no database, but long enough to be looked at as if it were one" * 20)
    mailer = Mailer("memory:", layers=[RateLimit("1/s", store=SQLiteLimits(tmp_path / "limits"))])
    with pytest.raises(StoreUnavailable, match="limits cannot be used: file is not a database"):
        mailer.send(message())
    nowhere = Mailer("memory:", layers=[RateLimit("1/s", store=SQLiteLimits("/nowhere/limits"))])
    with pytest.raises(StoreUnavailable, match="/nowhere/limits"):
        nowhere.send(message())


def test_a_new_file_that_another_is_writing_is_waited_for(tmp_path: Path) -> None:
    """Processes that start together open one new file: who comes second waits, and no mail is put off for it."""
    path = tmp_path / "limits.sqlite"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("CREATE TABLE other (x)")
    other.execute("BEGIN IMMEDIATE")
    plain = sqlite3.connect(path)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        plain.execute("PRAGMA journal_mode = WAL")  # SQLite itself does not wait
    plain.close()
    timer = threading.Timer(0.1, other.execute, ["COMMIT"])
    timer.start()
    backend = Times()
    mailer = Mailer(backend, layers=[RateLimit("100/s", store=SQLiteLimits(path))])
    assert mailer.send(message()).is_complete
    mailer.close()
    timer.join()
    other.close()


@forks
def test_a_fork_opens_its_own_connection(tmp_path: Path) -> None:
    """A store that was used before a fork is used in the child by a connection of its own."""
    store = SQLiteLimits(tmp_path / "limits.sqlite")
    limit = Limit(2, 3600.0, 2)
    assert store.take("x", limit, 1) == 0

    def act() -> None:
        assert store.take("x", limit, 1) == 0

    in_a_child(act)
    assert store.take("x", limit, 1) > 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"limit": "fast"},
        {"name": ["a"]},
        {"limit": "0/s"},
        {"limit": "10/fortnight"},
        {"limit": "-1/s"},
        {"limit": "1.5/s"},
        {"burst": 0},
        {"burst": 101},
        {"unit": "octets"},
        {"patience": -1},
        {"store": "redis://"},
    ],
    ids=str,
)
def test_wrong_arguments_are_named(wrong: dict[str, object]) -> None:
    """Each is a ConfigurationError that names the argument."""
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        RateLimit(**({"limit": "100/s"} | wrong))  # type: ignore[arg-type]


def test_a_redis_url_is_checked_and_never_shown() -> None:
    """What is no Redis URL is refused; a password in one is in no message."""
    with pytest.raises(ConfigurationError, match="redis://host:6379/0"):
        RedisLimits("http://user:secret@example.com")
    assert "secret" not in repr(RedisLimits("redis://:secret@example.com:6379/0"))
    with pytest.raises(ConfigurationError, match="must be a file"):
        SQLiteLimits(":memory:")
