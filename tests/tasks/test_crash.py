"""Workers killed in the middle of their work, while their clocks are set to and fro; a server that misbehaves; and an account
of every recipient."""

from __future__ import annotations

import logging
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from engines.misbehaving import MisbehavingServer

import modernmail
from modernmail import Message, tasks
from modernmail.tasks.sqlite import SQLiteBackend
from modernmail.tasks.sqlite.mail import MailStore

TESTS = Path(__file__).parent.parent
WORKERS = 3
# Seconds that a worker's clock is ahead, one after the other: two hours, a day back and forward again, a second.
CLOCKS = [7200, 0, -7200, 0, -86_400, 0, 86_400, 1, 0]


def start_worker(url: str, port: int, log: Path, clock: Path) -> subprocess.Popen[bytes]:
    """Start `modernmail worker` in a process group of its own."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(TESTS),
        "MODERNMAIL_URL": f"smtp://127.0.0.1:{port}?timeout=10&final_timeout=10",
        "MODERNMAIL_TASKS_URL": url,
    }
    command = [
        sys.executable,
        "-m",
        "engines.clocked",
        str(clock),
        "worker",
        "--concurrency",
        "1",
        "--batch",
        "25",
    ]
    with log.open("ab") as out:
        return subprocess.Popen(command, env=environment, stdout=out, stderr=out, start_new_session=True)


def is_settled(backend: SQLiteBackend) -> bool:
    """Whether no mail is on its way any more."""
    sql = "SELECT 1 FROM modernmail_job WHERE phase IN ('queued', 'waiting', 'leased', 'content') LIMIT 1"
    return not backend.database.rows(sql)


def crash(folder: Path, mails: int, every: float, delay: float, limit: float) -> None:
    """Send so many mails while every so many seconds a random worker is killed and another one's clock is set; then compare
    both accounts."""
    chance = random.Random(20261123)
    url = f"sqlite:////{folder}/queue.db?lease=1.5&retry=0.2,0.4,0.8"
    tasks.configure(url)
    backend = tasks.task_backends["default"]
    assert isinstance(backend, SQLiteBackend)
    modernmail.configure({"default": {"url": "null:", "from_email": "shop@example.com"}})
    people = [
        [f"u{n}-{at}@example.com" for at in range(chance.choice((1, 1, 1, 2, 3)))] for n in range(mails)
    ]
    tasks.enqueue_many(Message(f"Mail {n}", "Text\n" * 20, to=to) for n, to in enumerate(people))
    kills = 0
    clocks = [folder / f"clock-{number}" for number in range(WORKERS)]
    for clock in clocks:
        clock.write_text("0")
    with MisbehavingServer(7, delay) as server:
        workers = [start_worker(url, server.port, folder / "workers.log", clock) for clock in clocks]
        try:
            began = last = time.monotonic()
            while not is_settled(backend):
                assert time.monotonic() - began < limit, MailStore(backend).counts()
                time.sleep(0.02)
                if time.monotonic() - last >= every:
                    last = time.monotonic()
                    at = chance.randrange(WORKERS)
                    os.killpg(workers[at].pid, signal.SIGKILL)
                    workers[at].wait()
                    workers[at] = start_worker(url, server.port, folder / "workers.log", clocks[at])
                    kills += 1
                    clocks[chance.randrange(WORKERS)].write_text(str(CLOCKS[kills % len(CLOCKS)]))
        finally:
            for worker in workers:
                worker.send_signal(signal.SIGTERM)
            for worker in workers:
                worker.wait(30)
    told: dict[str, str] = {}
    for ticket in MailStore(backend).tickets():
        assert ticket.is_finished, ticket
        told |= ticket.recipients
    everybody = [name for to in people for name in to]
    counts = Counter(told.values())
    did, said = dict(server.fates), dict(counts)
    account = (
        f"{mails} mails, {len(everybody)} recipients, {kills} kills; told: {said}; the server did: {did}"
    )
    logging.getLogger("modernmail.crash").info(account)
    assert sorted(told) == sorted(everybody)
    lost = [name for name in everybody if told[name] == "accepted" and not server.taken[name]]
    twice = [name for name in everybody if server.taken[name] > 1 and told[name] != "unknown"]
    unreported = [
        name for name, count in server.taken.items() if count and told[name] not in ("accepted", "unknown")
    ]
    unsent = [name for name in everybody if told[name] not in ("accepted", "unknown")]
    assert (lost, twice, unreported, unsent) == ([], [], [], [])
    assert all(count == 1 for count in server.taken.values())
    assert kills >= 3
    listed = {name for ticket in MailStore(backend).tickets("unknown") for name in ticket.recipients}
    assert {name for name in everybody if told[name] == "unknown"} <= listed
    modernmail.configure({})


@pytest.mark.once
def test_no_mail_is_lost_and_none_is_sent_twice(tmp_path: Path) -> None:
    """The short form: 400 mails, three workers, one killed every 0.7 seconds."""
    crash(tmp_path, mails=400, every=0.7, delay=0.01, limit=90)


@pytest.mark.crash
def test_ten_thousand_mails_while_workers_die_every_second(tmp_path: Path) -> None:
    """10,000 mails, three workers, one of them killed every second."""
    crash(tmp_path, mails=10_000, every=1.0, delay=0.004, limit=500)
