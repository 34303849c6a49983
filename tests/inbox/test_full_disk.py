"""A disk that is full, for real: nothing half-written, and what needs no room goes on."""

from __future__ import annotations

import smtplib
import subprocess
from typing import TYPE_CHECKING

import pytest
from web import Client

from modernmail.inbox import DiskStore, InboxServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.once


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    mounting = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)]
    try:
        mounted = subprocess.run(mounting, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("mounting a small file system takes root on Linux")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_full_disk(small_disk: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Mail is refused with 452 and leaves nothing; what is there is listed, found, opened and deleted; then mail
    is taken again."""
    kept, refused = [], set()
    with DiskStore(small_disk / "inbox") as store, InboxServer.threaded(store) as server:
        client = Client(server)
        with smtplib.SMTP(server.capture.host, server.capture.port) as sender:
            for number in range(60):
                body = "a long line of words\r\n" * (1_500 if number % 2 else 10)
                try:
                    sender.sendmail("a@example.com", ["b@example.com"], f"Subject: n{number}\r\n\r\n{body}")
                    kept.append(f"n{number}")
                except smtplib.SMTPDataError as error:
                    refused.add((error.smtp_code, bytes(error.smtp_error)[:5]))
            assert refused == {(452, b"4.3.1")}
            listed = client.json("/api/mails?limit=100")["mails"]
            assert sorted(mail["subject"] for mail in listed) == sorted(kept)
            files = {path.name: path.stat().st_size for path in (small_disk / "inbox" / "mails").iterdir()}
            assert files == {f"{mail['id']}.eml": mail["size"] for mail in listed}
            assert client.json("/api/mails?q=words")["count"] == len(kept)
            assert client.get("/?q=words").status == 200
            assert client.get(f"/messages/{listed[0]['id']}").status == 200
            assert client.get(f"/api/v1/message/{listed[0]['id']}").status == 200
            assert client.ask("DELETE", "/api/mails").json == {"deleted": len(kept)}
            assert list((small_disk / "inbox" / "mails").iterdir()) == []
            assert sender.sendmail("a@example.com", ["b@example.com"], "Subject: next\r\n\r\nx") == {}
        assert [summary.subject for summary in store.find()] == ["next"]
