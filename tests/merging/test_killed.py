"""A merge that is killed again and again: each row is sent once, by the account of the server; who is in doubt is listed."""

from __future__ import annotations

import csv
import logging
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from engines.misbehaving import MisbehavingServer

if TYPE_CHECKING:
    from pathlib import Path

KILLS = 5


def start(folder: Path, url: str) -> subprocess.Popen[bytes]:
    """Start the command in a process of its own; it is always the same command."""
    command = [
        sys.executable, "-m", "modernmail.cli", "merge", "people.csv", "--subject", "News for {name}", "--text-file",
        "t.txt", "--from", "shop@example.com", "--url", url, "--resume", "state",
    ]  # fmt: skip
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)


def results(folder: Path) -> dict[str, str]:
    """Return the status of each recipient as the last run wrote it down."""
    with (folder / "people.results.csv").open(newline="", encoding="utf-8") as file:
        return {row["to"]: row["status"] for row in csv.DictReader(file)}


def killed(folder: Path, rows: int, limit: float) -> None:
    """Send so many rows, kill the command five times in the midst of it; then compare both accounts."""
    chance = random.Random(20261130)
    people = [f"p{number}@example.com" for number in range(rows)]
    (folder / "people.csv").write_text(
        "to,name\n" + "".join(f"{one},Person {at}\n" for at, one in enumerate(people))
    )
    (folder / "t.txt").write_text("Dear {name},\n" + "news.\n" * 20)
    with MisbehavingServer(11, 0.0) as server:
        url = f"smtp://127.0.0.1:{server.port}?timeout=10&final_timeout=10"
        ends = time.monotonic() + limit
        for kill in range(1, KILLS + 1):
            enough = rows * kill // (KILLS + 1) + chance.randrange(rows // 50)
            process = start(folder, url)
            while server.taken.total() < enough:
                if process.poll() is not None:  # the server hung up on it three times in a row
                    process = start(folder, url)
                assert time.monotonic() < ends, (folder / "log").read_text()[-2000:]
                time.sleep(0.002)
            process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
        while True:
            code = start(folder, url).wait(limit)
            told = results(folder)
            assert code in (0, 1), (folder / "log").read_text()[-2000:]
            if not {"deferred", "not sent"} & set(told.values()):
                break
            assert time.monotonic() < ends, (folder / "log").read_text()[-2000:]
    counts = Counter(told.values())
    account = f"{rows} rows, {KILLS} kills; told {dict(counts)}; the server did {dict(server.fates)}"
    logging.getLogger("modernmail.crash").info(account)
    assert sorted(told) == sorted(people)
    assert set(counts) <= {"accepted", "unknown"}, account
    assert [name for name in people if server.taken[name] > 1] == []
    assert [name for name in people if told[name] == "accepted" and server.taken[name] != 1] == []
    in_doubt = [name for name in people if told[name] == "unknown"]
    # The server hung up on so many after the dot was written; a kill leaves two in doubt at most: the one in flight, and
    # the one before it, whose outcome goes to the disk with the next commit point.
    broken = sum(server.fates[fate] for fate in ("drop in the content", "drop at the dot", "take and drop"))
    assert len(in_doubt) <= broken + 2 * KILLS, account


@pytest.mark.once
def test_each_row_is_sent_once_whatever_kills_the_command(tmp_path: Path) -> None:
    """The short form: 600 rows, five times kill -9, a server that misbehaves."""
    killed(tmp_path, 600, 90)


@pytest.mark.crash
def test_ten_thousand_rows_and_five_kills(tmp_path: Path) -> None:
    """10,000 rows, five times kill -9, a server that misbehaves."""
    killed(tmp_path, 10_000, 500)
