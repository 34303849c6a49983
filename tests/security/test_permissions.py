"""Who else on the machine can read a mail: nobody, unless the folder or the file was there before."""

import os
import stat
from pathlib import Path

import pytest

from modernmail import Mailer, Message, tasks
from modernmail.inbox import DiskStore
from modernmail.layers import SQLiteSuppressions
from modernmail.private import private_file

pytestmark = pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX")


@pytest.fixture(autouse=True)
def usual_umask():
    """The umask that most machines have, whatever the one of this run is."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def letter() -> Message:
    """A mail that holds a secret, as mails do."""
    return Message(
        "Reset", "https://example.com/reset?t=1", from_email="a@example.com", to=["zoe@example.com"]
    )


def mode(path: Path) -> str:
    """The permissions as `ls` shows them, without the first letter."""
    return stat.filemode(path.stat().st_mode)[1:]


def enqueued(path: Path) -> None:
    """Queue a mail in the file `path`."""
    tasks.configure(f"sqlite:///{path}")
    try:
        letter().enqueue()
    finally:
        tasks.task_backends["default"].close()


def test_a_new_queue_is_for_its_owner_alone(tmp_path, monkeypatch):
    """The queue holds whole mails: it and the files that SQLite puts beside it are closed to others."""
    monkeypatch.setenv("MODERNMAIL_URL", "memory:")
    seen = {}
    tasks.configure(f"sqlite:///{tmp_path / 'queue.db'}")
    letter().enqueue()
    seen = {path.name: mode(path) for path in tmp_path.iterdir()}
    tasks.task_backends["default"].close()
    assert "queue.db" in seen
    assert set(seen.values()) == {"rw-------"}


def test_a_queue_that_was_made_first_keeps_its_permissions(tmp_path, monkeypatch):
    """A web server and a worker of two accounts share a file that their administrator made for both."""
    monkeypatch.setenv("MODERNMAIL_URL", "memory:")
    path = tmp_path / "queue.db"
    path.touch()
    path.chmod(0o660)
    enqueued(path)
    assert mode(path) == "rw-rw----"


def test_a_new_folder_of_mails_is_for_its_owner_alone(tmp_path):
    """`file:///folder` makes the folder so that others cannot enter it, but not those above it."""
    Mailer(f"file://{tmp_path}/above/mails").send(letter())
    assert mode(tmp_path / "above" / "mails") == "rwx------"
    assert mode(tmp_path / "above") == "rwxr-xr-x"


def test_a_folder_of_mails_that_was_there_keeps_its_permissions(tmp_path):
    """Another program may be meant to fetch the mails: whoever made the folder for it has said so."""
    folder = tmp_path / "pickup"
    folder.mkdir(mode=0o755)
    Mailer(f"file://{folder}").send(letter())
    assert mode(folder) == "rwxr-xr-x"
    assert all(mode(path) == "rw-r--r--" for path in folder.iterdir())


def test_a_new_inbox_is_for_its_owner_alone(tmp_path):
    """Mails caught while developing hold links that log in: nobody else can enter their folder."""
    DiskStore(tmp_path / "inbox").close()
    assert mode(tmp_path / "inbox") == "rwx------"


def test_new_suppressions_are_for_their_owner_alone(tmp_path):
    """Who does not want mail is nobody else's business."""
    suppressions = SQLiteSuppressions(tmp_path / "suppressed.db")
    suppressions.add("zoe@example.com")
    assert mode(tmp_path / "suppressed.db") == "rw-------"


def test_a_file_has_its_name_only_when_it_is_closed(tmp_path, monkeypatch):
    """To close a descriptor drops the locks that this process has on its file: so nobody can have opened that before."""
    path = tmp_path / "queue.db"
    seen = []
    close = os.close

    def watched(descriptor):
        seen.append(path.exists())
        close(descriptor)

    monkeypatch.setattr("modernmail.private.os.close", watched)
    private_file(path)
    monkeypatch.undo()
    assert seen == [False]
    assert [each.name for each in tmp_path.iterdir()] == ["queue.db"]
