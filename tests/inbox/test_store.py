"""The stores: what was added is found, counted, waited for and forgotten, by threads and by processes."""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from modernmail import Mailer, Message
from modernmail.errors import ConfigurationError, ConnectFailed, InvalidSearch
from modernmail.inbox import CapturedMail, CaptureServer, DiskStore, MailNotFound, MemoryStore
from modernmail.inbox.backend import InboxBackend

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from modernmail.inbox import Store


@pytest.fixture(params=["memory", "disk"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A store of each kind."""
    with MemoryStore() if request.param == "memory" else DiskStore(tmp_path / "inbox") as made:
        yield made


def mail(subject: str = "Hi", *recipients: str, body: str = "Hello", **fields: object) -> CapturedMail:
    """A small mail."""
    content = f"From: Shop <shop@example.com>\r\nSubject: {subject}\r\n\r\n{body}\r\n".encode()
    return CapturedMail("bounce@example.com", recipients or ("zoe@example.com",), content, **fields)


def subjects(store: Store, query: str = "") -> list[str]:
    """The subjects that a search finds, oldest first."""
    return [summary.subject for summary in reversed(store.find(query))]


def test_what_is_added_is_there(store: Store) -> None:
    """Envelope, session and bytes come back as they were added, and so does the line of the list."""
    added = mail(
        "=?utf-8?q?Caf=C3=A9?=",
        "zoe+signup@example.com",
        peer="127.0.0.1",
        helo="client.example",
        tls="TLSv1.3",
        user="zoe",
        options=("SIZE=10",),
        recipient_options=(("NOTIFY=NEVER",),),
    )
    summary = store.add(added)
    assert store.get(added.id) == added
    assert store.summary(added.id) == summary == store.find()[0]
    assert (summary.seq, summary.subject, str(summary.sender)) == (1, "Café", "Shop <shop@example.com>")
    assert (summary.snippet, summary.tags, summary.unseen, summary.attachments) == (
        "Hello",
        ("signup",),
        True,
        0,
    )
    assert summary.bcc == ("zoe+signup@example.com",)
    assert (list(store), len(store), store.tags(), store.last) == ([added], 1, {"signup": 1}, 1)


def test_what_is_deleted_is_gone(store: Store) -> None:
    """Deleted mails are in no list, cannot be got, and their numbers are not used again."""
    one, two = mail("one"), mail("two")
    store.add(one)
    store.add(two)
    assert store.delete("subject:one") == 1
    assert [found.id for found in store] == [two.id]
    with pytest.raises(MailNotFound, match=one.id):
        store.get(one.id)
    with pytest.raises(MailNotFound):
        store.summary(one.id)
    store.clear()
    assert len(store) == 0
    assert store.add(mail()).seq == 3


def test_seen(store: Store) -> None:
    """Mails are unseen until they are marked."""
    one = store.add(mail("one"))
    store.add(mail("two"))
    store.mark(f"id:{one.id}")
    assert (subjects(store, "is:read"), subjects(store, "is:unread")) == (["one"], ["two"])
    store.mark(seen=False)
    assert store.count("is:unread") == 2


SEARCHED = [
    CapturedMail(
        "shop@example.com",
        ("zoe@example.com", "hidden+tag@example.com"),
        "From: =?utf-8?q?Caf=C3=A9?= <Shop@Example.com>\r\nTo: Zoë <zoe@example.com>\r\n"
        "Cc: cc@example.net\r\n"
        "Subject: Invoice 42_x 100% done\r\nMessage-ID: <abc@example.com>\r\n\r\n"
        "Your parcel is on its way. Größe: 5.".encode(),
    ),
    CapturedMail(
        "other@example.org",
        ("adam@example.org",),
        b"From: other@example.org\r\nSubject: Reminder\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: multipart/mixed; boundary=q\r\n\r\n"
        b"--q\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
        + "<p>Please <b>pay</b> the invoice 请检查邮件</p>\r\n".encode()
        + b"--q\r\nContent-Disposition: attachment; filename=a.pdf\r\n\r\nPDF\r\n--q--\r\n",
        received_at=datetime.now(UTC) - timedelta(days=10),
    ),
]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [0, 1]),
        ("invoice", [0, 1]),
        ("INVOI", [0, 1]),
        ("parcel", [0]),
        ("groß", [0]),
        ("grosse", []),
        ("cafe", [0]),
        ('"on its way"', [0]),
        ('"way its"', []),
        ("invoice -parcel", [1]),
        ("invoice parcel", [0]),
        ("pay zzz", []),
        ("检查", [1]),
        ("%", [0]),
        ("from:CAFÉ", [0]),
        ("from:other@example.org", [1]),
        ("-from:shop", [1]),
        ("!from:shop", [1]),
        ("!parcel", [0]),
        ("to:zoe", [0]),
        ("to:hidden+tag@example.com", [0]),
        ("cc:cc@", [0]),
        ("bcc:hidden", [0]),
        ("addressed:other", [1]),
        ("addressed:adam", [1]),
        ('subject:"42_x 100%"', [0]),
        ("subject:42zx", []),
        ("tag:TAG", [0]),
        ("tag:ta", []),
        ("message-id:abc@example.com", [0]),
        ("has:attachment", [1]),
        ("-has:attachment", [0]),
        ("is:unread", [0, 1]),
        ("is:read", []),
        ("larger:199", [0, 1]),
        ("larger:0.25kB smaller:1MB", [1]),
        ("smaller:250", [0]),
        ("http://example.com", []),
        ("\"quoted 'or' \\", []),
        ("'; DROP TABLE mails; --", []),
        ("a* OR b NEAR(x) ^ - :", []),
        ('"invoice" "pay', [1]),
        ("invoice\0pay", [1]),
        ("invoice \ud800", []),
    ],
)
def test_search(query: str, found: list[int]) -> None:
    """Fields, words, phrases and negations find what they say, whatever the letter case and the script."""
    with MemoryStore() as store:
        for each in SEARCHED:
            store.add(each)
        wanted = [SEARCHED[number].id for number in found]
        assert [summary.id for summary in reversed(store.find(query))] == wanted
        assert store.count(query) == len(wanted)


def test_search_by_date() -> None:
    """`before:` and `after:` take dates and moments."""
    day = (datetime.now(UTC) - timedelta(days=5)).date().isoformat()
    with MemoryStore() as store:
        for each in SEARCHED:
            store.add(each)
        assert subjects(store, f"before:{day}") == ["Reminder"]
        assert subjects(store, f"after:{day}T10:00+00:00") == ["Invoice 42_x 100% done"]


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("form:zoe", "form:.*unknown; there are from, to, cc"),
        ("has:colour", "has:attachment is what there is"),
        ("is:new", "is:read and is:unread are what there is"),
        ("before:yesterday", "a date is written 2026-11-03"),
        ("larger:huge", "a size is written 500, 20k or 1.5MB"),
        ("smaller:1e9", "a size is written 500, 20k or 1.5MB"),
        ("a " * 51, "more than 50 terms"),
        ("subject:" + "a" * 60_000, "a term of more than 1,000 characters"),
    ],
)
def test_searches_that_mean_nothing(store: Store, query: str, reason: str) -> None:
    """An unknown field or a bad date is an error that says what there is."""
    with pytest.raises(InvalidSearch, match=reason):
        store.find(query)


def test_search_without_fts5(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where SQLite has no FTS5, words are still found."""
    monkeypatch.setattr("modernmail.inbox.schema.has_fts", lambda: False)
    with MemoryStore() as store:
        for each in SEARCHED:
            store.add(each)
        assert subjects(store, "parcel GRÖSSE") == ["Invoice 42_x 100% done"]
        store.clear()
        assert subjects(store) == []


def test_old_mails_make_room(store: Store) -> None:
    """A store keeps its newest mails, by number and by age."""
    store.limit = 2
    for number in range(4):
        store.add(mail(str(number)))
    assert subjects(store) == ["2", "3"]
    store.limit, store.max_age = 3, 3600
    store.clear()
    for subject, age in (("older", 2), ("old", 1), ("new", 0)):
        store.add(mail(subject, received_at=datetime.now(UTC) - timedelta(hours=2 * age)))
    assert subjects(store) == ["new"]
    store.max_age = None
    store.clear()
    for number in (2, 3):
        store.add(mail(str(number)))
    store.delete("subject:3")
    for number in (4, 5, 6):
        store.add(mail(str(number)))
    assert subjects(store) == ["4", "5", "6"]


def test_large_mails_make_room(store: Store) -> None:
    """A store keeps the newest mails of so many octets together, after deletions too, and the newest always."""
    size = mail("0").size
    store.max_octets = 3 * size
    for number in range(5):
        store.add(mail(str(number)))
    assert subjects(store) == ["2", "3", "4"]
    store.delete("subject:3")
    store.add(mail("5"))
    assert subjects(store) == ["2", "4", "5"]
    store.add(mail("6", body="x" * (size + 5)))
    assert subjects(store) == ["5", "6"]
    store.add(mail("7", body="x" * 5 * size))
    assert subjects(store) == ["7"]
    store.clear()
    for number in range(4):
        store.add(mail(str(number)))
    assert subjects(store) == ["1", "2", "3"]
    store.max_octets = None
    store.add(mail("4", body="x" * 5 * size))
    assert subjects(store) == ["1", "2", "3", "4"]


def test_long_envelopes_make_room_too(store: Store) -> None:
    """Two megabytes of recipients to no content count as what they take: a limit of ten holds one such mail, and many small."""
    store.max_octets = 10_000_000
    for _ in range(4):
        store.add(mail("Long", *(f"{'x' * 1900}{number}@example.com" for number in range(1000))))
        assert len(store) == 1
    for _ in range(50):
        store.add(mail("Short"))
    assert len(store) == 51
    store.max_octets = 100_000
    store.add(mail("Short"))
    assert len(store) == 51
    assert store.count("subject:Long") == 0


def test_large_mails_of_two_programs(tmp_path: Path) -> None:
    """What another program put into the folder, or took out of it, counts."""
    size = mail("0").size
    with DiskStore(tmp_path, max_octets=3 * size) as one, DiskStore(tmp_path) as other:
        one.add(mail("0"))
        for number in (1, 2, 3):
            other.add(mail(str(number)))
        one.add(mail("4"))
        assert subjects(one) == ["2", "3", "4"]
        other.delete("-subject:2")
        one.add(mail("5"))
        assert subjects(other) == ["2", "5"]


def test_pages_and_neighbours(store: Store) -> None:
    """Lists go in pages, newest first; a mail knows the ones before and after it among those found."""
    added = [store.add(mail(f"{'odd' if number % 2 else 'even'} {number}")) for number in range(6)]
    assert [summary.seq for summary in store.find(limit=2, start=1)] == [5, 4]
    assert [summary.seq for summary in store.find(after=4)] == [6, 5]
    assert store.neighbours(added[2]) == (added[3].id, added[1].id)
    assert store.neighbours(added[2], "even") == (added[4].id, added[0].id)
    assert store.neighbours(added[5], "odd") == (None, added[3].id)


def test_waiting(store: Store) -> None:
    """`wait` returns the first mail that fits, at once or when it comes, and none up to `after`."""
    first = store.add(mail("one"))
    assert store.wait("to:zoe") == first
    threads = [threading.Timer(0.01, store.add, [mail(subject)]) for subject in ("other", "wanted")]
    last = store.last  # before they come, however busy the machine is
    for thread in threads:
        thread.start()
    found = store.wait("subject:wanted", after=last)
    assert found is not None
    assert found.subject == "wanted"
    for thread in threads:
        thread.join()
    assert store.wait(after=store.last, timeout=0.01) is None


def test_two_processes_share_a_folder(tmp_path: Path) -> None:
    """A mail that another process adds is waited for, listed and read; what it deletes is gone."""
    program = (
        "import sys; from modernmail.inbox import DiskStore, CapturedMail\n"
        "store = DiskStore(sys.argv[1])\n"
        "store.delete('subject:Hi')\n"
        "store.add(CapturedMail('a@example.com', ('b@example.com',), b'Subject: other\\r\\n\\r\\nx'))\n"
    )
    with DiskStore(tmp_path) as store:
        ours = store.add(mail())
        version = store.version
        other = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)])
        found = store.wait("subject:other", after=ours.seq, timeout=30)
        assert other.wait() == 0
        assert found is not None
        assert store.get(found.id).content == b"Subject: other\r\n\r\nx"
        assert store.version != version
        assert subjects(store) == ["other"]


def test_threads_add_at_once(store: Store) -> None:
    """Sixteen threads add mails; each is there once."""
    threads = [threading.Thread(target=lambda: [store.add(mail()) for _ in range(10)]) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(summary.seq for summary in store.find(limit=1000)) == list(range(1, 161))


def test_files_are_the_mails(tmp_path: Path) -> None:
    """On disk a mail is one `.eml` file with exactly its bytes; a store opened again has them all."""
    with DiskStore(tmp_path) as store:
        kept, dropped = mail("kept"), mail("dropped")
        store.add(kept)
        store.add(dropped)
        store.delete("subject:dropped")
    assert [path.name for path in (tmp_path / "mails").iterdir()] == [f"{kept.id}.eml"]
    assert (tmp_path / "mails" / f"{kept.id}.eml").read_bytes() == kept.content
    with DiskStore(tmp_path) as store:
        assert list(store) == [kept]
        (tmp_path / "mails" / f"{kept.id}.eml").unlink()
        assert list(store) == []
        with pytest.raises(MailNotFound):
            store.get(kept.id)


def test_a_mail_that_our_reader_fails_at_is_kept(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A fault of the reader costs no mail: it is there, byte by byte, and the list says what went wrong."""
    monkeypatch.setattr("modernmail.inbox.summary.read", lambda _: 1 / 0)
    kept = store.add(mail(subject="strange"))
    assert kept.snippet == "This mail cannot be read: ZeroDivisionError: division by zero"
    assert b"strange" in store.get(kept.id).content
    assert [found.recipients for found in store.find()] == [kept.recipients]
    assert "it is kept as it is" in caplog.text


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    """When the file cannot be written whole, the client hears 452 and no trace of the mail remains."""
    import smtplib

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with DiskStore(tmp_path) as store, CaptureServer.threaded(store) as server:
        with smtplib.SMTP(server.host, server.port) as client:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
            try:
                with pytest.raises(smtplib.SMTPDataError, match=r"4\.3\.1") as refused:
                    client.sendmail("a@example.com", ["b@example.com"], "x" * 2_000_000)
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, before)
            assert refused.value.smtp_code == 452
            assert list((tmp_path / "mails").iterdir()) == []
            client.sendmail("a@example.com", ["b@example.com"], "Subject: next\r\n\r\nx")
        assert subjects(store) == ["next"]


@pytest.mark.parametrize("fails", ["insert", "commit"])
def test_a_full_index_leaves_nothing_behind(
    store: Store, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    """When the index cannot grow, the error is ENOSPC, and neither row nor content remains."""
    import sqlite3

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(store._index, fails, full)
        with pytest.raises(OSError, match="full") as error:
            store.add(mail())
    assert error.value.errno == 28
    assert list(store) == []
    store.add(mail())
    assert len(store) == 1


def test_a_failed_change_is_undone(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deletion that fails deletes nothing, and the store goes on."""
    store.add(mail())

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store._index, "delete", fail)
        with pytest.raises(KeyboardInterrupt):
            store.clear()
    assert store.delete() == 1


def test_what_dead_processes_left_is_swept(tmp_path: Path) -> None:
    """Old files without a row are removed when the folder is opened; recent ones and files of others stay."""
    with DiskStore(tmp_path) as store:
        kept = store.add(mail())
    folder = tmp_path / "mails"
    left = [
        folder / f".{'a' * 22}.tmp",
        folder / f"{'b' * 22}.eml",
        folder / f"{'c' * 22}.eml",
        folder / "notes.eml",
    ]
    for path in left:
        path.write_text("x")
    for path in (left[0], left[1], left[3], folder / f"{kept.id}.eml"):
        os.utime(path, (0, 0))
    DiskStore(tmp_path).close()
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [f"{kept.id}.eml", left[2].name, "notes.eml"]
    )


def test_what_is_no_inbox_is_refused(tmp_path: Path) -> None:
    """A file that is no index, and an index of a newer release, are errors that name the file."""
    (tmp_path / "inbox.sqlite3").write_text("this is no database, " * 100)
    with pytest.raises(ConfigurationError, match=r"inbox\.sqlite3 is no inbox"):
        DiskStore(tmp_path)
    newer = tmp_path / "newer"
    with DiskStore(newer) as store:
        store._index._db.execute("PRAGMA user_version = 99")
    with pytest.raises(ConfigurationError, match="newer release"):
        DiskStore(newer)


def steps_of(store: Store, ask: Callable[[], object]) -> int:
    """How many hundreds of SQLite's instructions a question takes."""
    taken = [0]

    def count() -> None:
        taken[0] += 1

    store._index._db.set_progress_handler(count, 100)
    ask()
    store._index._db.set_progress_handler(None, 0)
    return taken[0]


def test_lists_cost_the_same_however_many_there_are() -> None:
    """The first page of 2,000 mails takes no more steps than that of 100, and a search of words few more."""
    with MemoryStore() as few, MemoryStore() as many:
        for number in range(2_000):
            each = mail(f"number{number}", body="needle" if number == 50 else "hay")
            many.add(each)
            if number < 100:
                few.add(each)
        assert steps_of(many, many.find) <= steps_of(few, few.find) + 2
        assert steps_of(many, lambda: many.find("needle")) <= steps_of(few, lambda: few.find("needle")) + 2


def test_a_full_store_costs_the_same() -> None:
    """A mail that makes another one leave takes few more steps, also when a deletion left a gap among the others."""
    with MemoryStore(limit=2_000) as store:

        def add() -> None:
            store.add(mail())

        for _ in range(1_990):
            add()
        most = (
            steps_of(store, add) + 20
        )  # by release of SQLite it is two to seven more; to read all rows takes forty or more
        for _ in range(20):
            add()
        assert len(store) == 2_000
        assert steps_of(store, add) <= most
        store.delete(f"id:{store.find(limit=1, start=1_000)[0].id}")
        add()
        add()
        assert len(store) == 2_000
        assert steps_of(store, add) <= most
        assert len(store) == 2_000


def test_a_deletion_without_room_for_its_note(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the index has no room to note a deletion, the contents make room first."""
    import sqlite3

    kept = store.add(mail())
    delete, failed = store._index.delete, []

    def full_at_first(rows: list[tuple[int, str]]) -> None:
        if rows and not failed:
            failed.append(store._contents.get(kept.id))
            raise sqlite3.OperationalError("database or disk is full")
        assert store._contents.get(kept.id) is None
        delete(rows)

    monkeypatch.setattr(store._index, "delete", full_at_first)
    assert store.delete() == 1
    assert failed == [mail().content]
    assert len(store) == 0


@pytest.mark.parametrize("does", ["mark", "find", "count", "first"])
def test_no_room_has_one_error(store: Store, monkeypatch: pytest.MonkeyPatch, does: str) -> None:
    """Whatever finds no room raises OSError (ENOSPC); the store goes on."""
    import sqlite3

    def full(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    store.add(mail())
    with monkeypatch.context() as patch:
        patch.setattr(store._index, does, full)
        with pytest.raises(OSError, match="full") as error:
            getattr(store, does)("hello")
    assert error.value.errno == 28
    assert store.count("hello") == 1


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """The error says which folder, and how to have another."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"file/inbox of the inbox cannot be made: .*--dir"):
        DiskStore(tmp_path / "file" / "inbox")


def test_a_mail_for_an_inbox_that_another_program_holds(tmp_path: Path) -> None:
    """Without SMTP: the mail is deferred, with an error of ours; it is kept when the other lets go."""
    with DiskStore(tmp_path / "inbox") as store, Mailer(InboxBackend(store)) as mailer:
        store._index._db.execute("PRAGMA busy_timeout = 0")
        other = sqlite3.connect(tmp_path / "inbox" / "inbox.sqlite3", isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        message = Message("Hi", "Hello", from_email="a@example.com", to="b@example.com")
        with pytest.raises(
            ConnectFailed, match="the inbox cannot keep the mail: database is locked"
        ) as error:
            mailer.send(message)
        assert error.value.is_transient
        other.execute("ROLLBACK")
        other.close()
        assert mailer.send(message).accepted == ("b@example.com",)
        (kept,) = store.find()
    assert [path.stem for path in (tmp_path / "inbox" / "mails").iterdir()] == [kept.id]
