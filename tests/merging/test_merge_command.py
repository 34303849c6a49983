"""`modernmail merge`: what it sends, what it refuses before anything is sent, and where it goes on."""

from __future__ import annotations

import csv
import email
import email.policy
import os
import re
import shlex
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modernmail.cli.__main__ import main
from modernmail.cli.merging.state import State
from modernmail.cli.merging.table import Table
from modernmail.testing import Rule, ScriptedSMTPServer

from .conftest import Merge, results

if TYPE_CHECKING:
    from email.message import EmailMessage


def received(server: ScriptedSMTPServer) -> list[EmailMessage]:
    """Return the mails a server took."""
    return [
        email.message_from_bytes(commit.content, policy=email.policy.default) for commit in server.commits
    ]


def recipients(server: ScriptedSMTPServer) -> list[str]:
    """Return whose mail a server took."""
    return [name for commit in server.commits for name in commit.recipients]


# -- what is sent


def test_each_row_gets_its_own_mail(merge: Merge, server: ScriptedSMTPServer, folder: Path) -> None:
    """Values stand in subject, text and HTML (escaped there), the name in To; parts are in each mail."""
    (folder / "h.html").write_text("<p>{item} for {name}</p>", encoding="utf-8")
    (folder / "terms.pdf").write_bytes(b"%PDF")
    code = merge(
        "--url", server.url(), "--html-file", "h.html", "--attach", "terms.pdf", "--header", "X-Run: 7"
    )
    assert code == 0
    first, second = received(server)
    assert recipients(server) == ["zoe@example.com", "bob@example.com"]
    assert str(first["To"]) == "Zoë <zoe@example.com>"
    assert str(second["Subject"]) == "For Bob, Jr."
    assert second["X-Run"] == "7"
    parts = {part.get_content_type(): part for part in second.walk() if not part.is_multipart()}
    assert parts["text/plain"].get_content().replace("\r\n", "\n") == "Dear Bob, Jr.,\nyour <Coffee>.\n"
    assert parts["text/html"].get_content().strip() == "<p>&lt;Coffee&gt; for Bob, Jr.</p>"
    assert parts["application/pdf"].get_content() == b"%PDF"
    assert "2 rows: 2 accepted" in merge.out


def test_the_results_name_row_recipient_status_reply_and_message_id(
    merge: Merge, server: ScriptedSMTPServer, folder: Path
) -> None:
    """Somebody was refused: exit code 1, and the results say who, and what the server said."""
    (folder / "people.csv").write_text("email,name,item\na@example.com,A,x\nrefused@example.com,B,y\n")
    assert merge("--url", server.url(), "--results", "out.csv") == 1
    first, second = results("out.csv")
    assert (first["row"], first["to"], first["status"]) == ("1", "a@example.com", "accepted")
    assert first["message_id"] == str(received(server)[0]["Message-ID"])
    assert first["at"].endswith("+00:00")
    assert (second["row"], second["status"], second["reply"]) == ("2", "rejected", "550 5.1.1 no such user")
    assert "row 2  refused@example.com  rejected  550 5.1.1 no such user" in merge.err
    assert not Path("people.results.csv").exists()


@pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX")
def test_the_results_are_for_their_owner_alone(
    merge: Merge, server: ScriptedSMTPServer, folder: Path
) -> None:
    """They name everybody who was written to. In a folder of many nobody can have them written through a link; what is there
    keeps its permissions."""
    before = os.umask(0o022)
    try:
        (folder / "victim").write_text("precious")
        (folder / f".out.csv.{os.getpid()}").symlink_to(folder / "victim")
        assert merge("--url", server.url(), "--results", "out.csv") == 0
        assert stat.S_IMODE(Path("out.csv").stat().st_mode) == 0o600
        assert (folder / "victim").read_text() == "precious"
        Path("out.csv").chmod(0o640)
        merge("--url", server.url(), "--results", "out.csv")
        assert stat.S_IMODE(Path("out.csv").stat().st_mode) == 0o640
    finally:
        os.umask(before)
    assert [path.name for path in folder.glob(".out*")] == [f".out.csv.{os.getpid()}"]


def test_a_column_subject_is_the_subject(merge: Merge, server: ScriptedSMTPServer, folder: Path) -> None:
    """Each row may have a subject of its own."""
    (folder / "people.csv").write_text("to,subject,name,item\na@example.com,Just for you,A,x\n")
    assert merge("--url", server.url()) == 0
    assert received(server)[0]["Subject"] == "Just for you"


def test_server_and_sender_come_from_the_environment(
    merge: Merge, server: ScriptedSMTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MODERNMAIL_URL stands in for `--url`."""
    monkeypatch.setenv("MODERNMAIL_URL", server.url())
    assert merge() == 0
    assert len(server.commits) == 2


def test_a_dry_run_sends_nothing_and_shows_the_first_mails(merge: Merge, server: ScriptedSMTPServer) -> None:
    """Every row is checked; nothing is sent and nothing is written."""
    assert merge("--url", server.url(), "--dry-run") == 0
    assert server.sessions == []
    assert "row 1 (line 2)" in merge.out
    assert "To: Zoë <zoe@example.com>" in merge.out
    assert "│ your Tea." in merge.out
    assert "2 mails would be sent; nothing was sent" in merge.out
    assert sorted(path.name for path in Path().iterdir()) == ["people.csv", "t.txt"]


def test_a_dry_run_counts_bad_rows(merge: Merge, folder: Path) -> None:
    """They are named; the exit code is that of a run: 2 when they would keep it from going, 1 when it would leave them out."""
    (folder / "people.csv").write_text("to,name,item\na@example.com,A,x\nno body,B,y\n")
    assert merge("--dry-run") == 2
    assert "bad row 2 (line 3): to: 'no body'" in merge.err
    assert "1 mail would be sent, 1 row is bad; nothing was sent" in merge.out
    assert merge("--dry-run", "--on-bad-row", "skip") == 1


def test_a_limit_sends_so_many_and_the_rest_later(merge: Merge, server: ScriptedSMTPServer) -> None:
    """What the limit left over goes with the next run."""
    assert merge("--url", server.url(), "--limit", "1", "--resume", "s") == 0
    assert recipients(server) == ["zoe@example.com"]
    assert [row["status"] for row in results()] == ["accepted", "not sent"]
    assert merge("--url", server.url(), "--resume", "s") == 0
    assert recipients(server) == ["zoe@example.com", "bob@example.com"]


def test_the_rate_is_held_by_a_layer(merge: Merge, server: ScriptedSMTPServer) -> None:
    """`--rate` is a `RateLimit`: the second mail waits its turn; a wrong one is a mistake in usage."""
    began = time.monotonic()
    assert merge("--url", server.url(), "--rate", "20/s") == 0
    assert time.monotonic() - began >= 0.04
    assert merge("--url", server.url(), "--rate", "fast", "--results", "x.csv") == 2
    assert "100/s, 20/minute" in merge.err


# -- what is refused, before anything is sent


BAD_ROWS = {
    "address": ("not an address,A,x", "row 2 (line 3): to: 'not an address'"),
    "two addresses": (
        '"a@example.com, b@example.com",A,x',
        "row 2 (line 3): to: 'a@example.com, b@example.com'",
    ),
    "no recipient": (",A,x", "row 2 (line 3): to: ''"),
    "too few fields": ("a@example.com,A", "row 2 (line 3): has 2 fields, and there are 3 columns"),
    "too many fields": ("a@example.com,A,x,y", "row 2 (line 3): has 4 fields, and there are 3 columns"),
    "a quote in the middle": ('a@example.com,"A"B,x', "row 2 (line 3): ',' expected after '\"'"),
    "a control character": ("a@example.com,A\x07,x", "row 2 (line 3): "),
}


def put_between_good_ones(folder: Path, kind: str) -> str:
    """Write a table with this bad row in its middle; return how its fault is told."""
    line, fault = BAD_ROWS[kind]
    rows = ("to,name,item", "zoe@example.com,Zoe,Tea", line, "bob@example.com,Bob,Jam")
    (folder / "people.csv").write_text("".join(f"{row}\n" for row in rows))
    return fault


@pytest.mark.parametrize("kind", BAD_ROWS)
def test_a_bad_row_stops_everything(
    kind: str, merge: Merge, server: ScriptedSMTPServer, folder: Path
) -> None:
    """The default: its number and line are named, and nobody gets anything."""
    expected = put_between_good_ones(folder, kind)
    assert merge("--url", server.url(), "--resume", "s") == 2
    assert expected in merge.err
    assert "1 bad row: nothing was sent" in merge.err
    assert server.sessions == []
    assert not Path("people.results.csv").exists()


@pytest.mark.parametrize("kind", BAD_ROWS)
def test_a_bad_row_is_left_out_when_told(
    kind: str, merge: Merge, server: ScriptedSMTPServer, folder: Path
) -> None:
    """`--on-bad-row skip`: the rows around it go, its fault is in the results, and the exit code is 1."""
    expected = put_between_good_ones(folder, kind)
    assert merge("--url", server.url(), "--on-bad-row", "skip") == 1
    assert recipients(server) == ["zoe@example.com", "bob@example.com"]
    assert [row["status"] for row in results()] == ["accepted", "bad row", "accepted"]
    assert results()[1]["reply"].startswith(expected)


def test_the_whole_file_is_checked_before_the_first_mail(
    merge: Merge, server: ScriptedSMTPServer, folder: Path
) -> None:
    """The last of 500 rows is bad: the first has not been sent."""
    rows = [f"p{number}@example.com,P,x\n" for number in range(499)]
    (folder / "people.csv").write_text("to,name,item\n" + "".join(rows) + "no body,P,x\n")
    assert merge("--url", server.url()) == 2
    assert "row 500 (line 501)" in merge.err
    assert server.sessions == []


def test_many_bad_rows_are_counted_and_the_first_shown(
    merge: Merge, server: ScriptedSMTPServer, folder: Path
) -> None:
    """A file that is wrong throughout does not fill the screen."""
    (folder / "people.csv").write_text("to,name,item\n" + "no body,P,x\n" * 100)
    assert merge("--url", server.url()) == 2
    assert merge.err.count("bad row ") == 20
    assert "100 bad rows: nothing was sent" in merge.err


TABLES = {
    "no recipient": (
        b"name,item\nZoe,x\n",
        "has no column 'to' or 'email': there are name, item; say --to-column",
    ),
    "semicolons": (b"to;name;item\na@example.com;A;x\n", "say --delimiter ';'"),
    "tabs": (b"to\tname\titem\na@example.com\tA\tx\n", r"say --delimiter '\t'"),
    "twice": (b"to,name,name,item\n", "two columns are called 'name'"),
    "nameless": (b"to,,item\n", "column 2 has no name"),
    "empty": (b"", "is empty"),
    "headers": (b"to,headers\n", "cannot be called 'headers'"),
    "not utf-8": (b"to,name,item,\xfcber\n", "is not utf-8: octet 0xfc"),
    "no hole's column": (
        b"to,name\na@example.com,A\n",
        "the text asks for {item}, and people.csv has no such column",
    ),
}


@pytest.mark.parametrize("kind", TABLES)
def test_a_table_that_cannot_be_used(
    kind: str, merge: Merge, server: ScriptedSMTPServer, folder: Path
) -> None:
    """One line says what is wrong and what would be right; exit code 2, nothing sent."""
    content, expected = TABLES[kind]
    (folder / "people.csv").write_bytes(content)
    assert merge("--url", server.url()) == 2
    assert expected in merge.err
    assert "Traceback" not in merge.err
    assert server.sessions == []


MISTAKES: dict[str, tuple[list[str], str]] = {
    "no file": (["--url", "null:", "--html-file", "missing.html"], "'missing.html' cannot be read"),
    "no attachment": (["--url", "null:", "--attach", "missing.pdf"], "missing.pdf"),
    "no url": ([], "say where to send it"),
    "delimiter": (["--url", "null:", "--delimiter", "::"], "must be one character, or tab"),
    "encoding": (["--url", "null:", "--encoding", "klingon"], "no such encoding"),
    "column": (["--url", "null:", "--to-column", "mail"], "has no column 'mail': there are to, name, item"),
    "text twice": (["--url", "null:", "--text", "x"], "say the same thing"),
    "message-id": (["--url", "null:", "--header", "Message-ID: <a@b.c>"], "each mail needs one of its own"),
    "results": (["--url", "null:", "--results", "missing/r.csv"], "cannot be written: No such file"),
    "state is a folder": (["--url", "null:", "--resume", "."], "is a folder"),
}


@pytest.mark.parametrize("kind", MISTAKES)
def test_mistakes_in_the_options(kind: str, merge: Merge) -> None:
    """Exit code 2 and a line that names the option."""
    arguments, expected = MISTAKES[kind]
    assert merge(*arguments) == 2
    assert expected in merge.err
    assert "Traceback" not in merge.err


def test_no_sender_is_one_mistake_not_one_for_each_row(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither `--from` nor MODERNMAIL_FROM: it is said once."""
    assert main(["merge", "people.csv", "--subject", "x", "--text", "y", "--url", "null:"]) == 2
    assert capsys.readouterr().err.count("say who sends it: --from ADDRESS") == 1


def test_a_csv_that_is_not_there(merge: Merge) -> None:
    """Its name and the reason."""
    assert merge("--url", "null:", file="nobody.csv") == 2
    assert "'nobody.csv' cannot be read: No such file or directory" in merge.err


def test_braces_may_stay(merge: Merge, server: ScriptedSMTPServer, folder: Path) -> None:
    """`--keep-braces` leaves what no column fills, as a style sheet or a template for somebody else may need it."""
    (folder / "t.txt").write_text("{name}: {placeholder}")
    assert merge("--url", server.url(), "--keep-braces") == 0
    assert "Zoë: {placeholder}" in received(server)[0].get_content()


def test_results_of_another_run_are_not_lost(merge: Merge, server: ScriptedSMTPServer) -> None:
    """A results file that is there already is not overwritten by a new run."""
    assert merge("--url", server.url()) == 0
    before = Path("people.results.csv").read_bytes()
    assert merge("--url", server.url()) == 2
    assert "of another run" in merge.err
    assert len(server.commits) == 2
    assert Path("people.results.csv").read_bytes() == before


# -- the table


def table(tmp_path: Path, octets: bytes, **options: str) -> list[dict[str, str]]:
    """Return the rows of a file with these octets."""
    path = tmp_path / "table.csv"
    path.write_bytes(octets)
    return [row.values for row in Table(str(path), **options)]


def test_encodings(tmp_path: Path) -> None:
    """UTF-8 with and without a byte order mark, code pages, and UTF-16: each when it is said."""
    text = "to,name\r\na@example.com,Zoë\r\n"
    expected = [{"to": "a@example.com", "name": "Zoë"}]
    assert table(tmp_path, text.encode()) == expected
    assert table(tmp_path, b"\xef\xbb\xbf" + text.encode()) == expected
    assert table(tmp_path, text.encode("cp1252"), encoding="cp1252") == expected
    assert table(tmp_path, text.encode("utf-16"), encoding="utf-16") == expected


def test_delimiters_quotes_and_lines(tmp_path: Path) -> None:
    """A value may hold delimiters, quotes and line ends; rows are named by their first line."""
    path = tmp_path / "t.csv"
    path.write_bytes(b'to;name\n\na@example.com;"A;\n""B"""\n\nb@example.com;C\n')
    rows = list(Table(str(path), delimiter=";"))
    assert [(row.number, row.line, row.values["name"]) for row in rows] == [(1, 3, 'A;\n"B"'), (2, 6, "C")]
    assert table(tmp_path, b"to\tname\na@example.com\tA\n", delimiter="tab") == [
        {"to": "a@example.com", "name": "A"}
    ]


@given(st.lists(st.tuples(*[st.text(st.characters(codec="utf-8", exclude_characters="\0"))] * 3), max_size=5))
def test_what_a_writer_of_csv_writes_is_what_is_read(rows: list[tuple[str, str, str]]) -> None:
    """Any values, with delimiters, quotes and line ends in them, come back as they were."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "t.csv")
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, quoting=csv.QUOTE_ALL)
            writer.writerow(("to", "a", "b"))
            writer.writerows(rows)
        assert [tuple(row.values.values()) for row in Table(str(path))] == rows


def test_a_row_that_cannot_be_decoded_is_one_row(tmp_path: Path) -> None:
    """The rows behind it still come."""
    path = tmp_path / "t.csv"
    path.write_bytes(b"to\na@example.com\n\xff@example.com\nb@example.com\n")
    rows = list(Table(str(path)))
    assert [row.fault is None for row in rows] == [True, False, True]
    assert "is not utf-8: octet 0xff" in (rows[1].fault or "")
    assert rows[2].number == 3


def test_a_huge_table_needs_no_memory(tmp_path: Path) -> None:
    """Rows are read with less memory than a tenth of them has."""
    import tracemalloc

    path = tmp_path / "t.csv"
    with path.open("w") as file:
        file.write("to,name\n")
        file.writelines(f"p{number}@example.com,Somebody with a name {number}\n" for number in range(50_000))
    tracemalloc.start()
    count = sum(row.fault is None for row in Table(str(path)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 50_000
    assert peak < path.stat().st_size / 10


def test_a_line_without_an_end_is_no_row(tmp_path: Path) -> None:
    """Something that is no table is refused at its first megabyte."""
    path = tmp_path / "t.csv"
    path.write_bytes(b"to,name\n" + b"x" * 3_000_000 + b"\na@example.com,A\n")
    first, second = Table(str(path))
    assert "more than 1048576 octets" in (first.fault or "")
    assert second.values["to"] == "a@example.com"


# -- going on


def test_a_second_run_sends_nothing_twice(merge: Merge, server: ScriptedSMTPServer, folder: Path) -> None:
    """Who was put off is tried again; who was accepted or refused is not."""
    (folder / "people.csv").write_text(
        "to,name,item\na@example.com,A,x\nlater@example.com,B,y\nrefused@example.com,C,z\n"
    )
    assert merge("--url", server.url(), "--resume", "s") == 1
    assert [row["status"] for row in results()] == ["accepted", "deferred", "rejected"]
    assert merge("--url", server.url(), "--resume", "s") == 1
    assert [row["status"] for row in results()] == ["accepted", "accepted", "rejected"]
    assert recipients(server) == ["a@example.com", "later@example.com"]
    said = server.sessions[-1].commands
    assert not any(b"a@example.com" in line or b"refused" in line for line in said)


@pytest.mark.parametrize("changed", ["people.csv", "t.txt"])
def test_a_changed_table_or_mail_is_refused(
    changed: str, merge: Merge, server: ScriptedSMTPServer, folder: Path
) -> None:
    """A later run with other rows or another text is refused, until it is told that this is meant."""
    assert merge("--url", server.url(), "--resume", "s", "--limit", "1") == 0
    with (folder / changed).open("a", encoding="utf-8") as file:
        file.write("new@example.com,New,Jam\n" if changed == "people.csv" else "P.S.\n")
    assert merge("--url", server.url(), "--resume", "s") == 2
    assert f"{'table' if changed == 'people.csv' else 'mail'} changed since the run" in merge.err
    assert len(server.commits) == 1
    assert merge("--url", server.url(), "--resume", "s", "--accept-changes") == 0
    expected = ["zoe@example.com", "bob@example.com"]
    assert recipients(server) == expected + (["new@example.com"] if changed == "people.csv" else [])
    assert merge("--url", server.url(), "--resume", "s") == 0


def test_rows_are_found_again_in_a_changed_table(
    merge: Merge, server: ScriptedSMTPServer, folder: Path
) -> None:
    """A row is known by its recipient: rows put before it change nothing, and the second of two alike is another one."""
    (folder / "people.csv").write_text(
        "to,name,item\na@example.com,A,x\nb@example.com,B,x\na@example.com,A,y\n"
    )
    assert merge("--url", server.url(), "--resume", "s") == 0
    assert "1 more rows have a recipient that another row has" in merge.err
    (folder / "people.csv").write_text(
        "to,name,item\nc@example.com,C,x\nA <a@EXAMPLE.com>,A,x\na@example.com,A,y\na@example.com,A,z\n"
    )
    assert merge("--url", server.url(), "--resume", "s", "--accept-changes") == 0
    assert recipients(server) == [f"{one}@example.com" for one in ("a", "b", "a", "c", "a")]
    assert [(row["row"], row["to"]) for row in results()][-1] == ("", "b@example.com")


def test_who_may_have_the_mail_is_not_sent_to_again(merge: Merge, folder: Path) -> None:
    """The connection broke after the final dot: unknown, listed, left alone; `--resend-unknown` decides otherwise."""
    with ScriptedSMTPServer([Rule("BODY", session=1).close()]) as server:
        assert merge("--url", server.url(), "--resume", "s") == 1
        assert [row["status"] for row in results()] == ["unknown", "accepted"]
        assert "these may have got their mail" in merge.out
        assert "row 1  zoe@example.com  unknown" in merge.out
        assert merge("--url", server.url(), "--resume", "s") == 1
        assert recipients(server) == ["bob@example.com"]
        assert merge("--url", server.url(), "--resume", "s", "--resend-unknown") == 0
        assert recipients(server) == ["bob@example.com", "zoe@example.com"]


def test_a_row_that_was_being_sent_when_the_run_died_is_unknown(tmp_path: Path) -> None:
    """The state remembers the commit point: the next run finds the row unknown."""
    path = tmp_path / "state"
    state = State(path)
    state.begin()
    state.add(1, "a@example.com", "a@example.com")
    state.add(2, "b@example.com", "b@example.com")
    state.commit_rows()
    state.commit_point(1, "<1@example.com>")
    state._database.close()  # as a crash would, without a word about what became of it
    state = State(path)
    (row,) = state.rows("unknown")
    assert (row.number, row.message_id) == (1, "<1@example.com>")
    assert row.reply == "the run that sent it ended before the server's reply"
    assert state.counts() == {"unknown": 1, "ready": 1}
    state.close()


def test_two_runs_with_one_state(merge: Merge, server: ScriptedSMTPServer, folder: Path) -> None:
    """The second is refused while the first has it: both would send everything."""
    program = (
        "import sys; from pathlib import Path; from modernmail.cli.merging.state import State\n"
        "state = State(Path('s')); print('ready', flush=True); sys.stdin.read(); state.close()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder
    )
    assert other.stdout is not None
    assert other.stdin is not None
    with other:
        assert other.stdout.readline() == b"ready\n"
        assert merge("--url", server.url(), "--resume", "s") == 2
        assert "s is in use: another merge is running with it" in merge.err
        assert server.sessions == []
        other.stdin.close()
    assert merge("--url", server.url(), "--resume", "s") == 0


@pytest.mark.parametrize("kind", ["text", "another database"])
def test_a_state_that_is_something_else(
    kind: str, merge: Merge, server: ScriptedSMTPServer, folder: Path
) -> None:
    """A file that is not ours is neither used nor changed."""
    if kind == "text":
        (folder / "s").write_text("not a database" * 100)
    else:
        with sqlite3.connect(folder / "s") as database:
            database.execute("CREATE TABLE customer (name TEXT)")
        database.close()
    before = (folder / "s").read_bytes()
    assert merge("--url", server.url(), "--resume", "s") == 2
    assert "is not the state of a merge" in merge.err or "of something else" in merge.err
    assert server.sessions == []
    if kind == "text":
        assert (folder / "s").read_bytes() == before


def test_a_server_that_is_not_there_ends_the_run(merge: Merge, folder: Path) -> None:
    """Three mails find no connection: the others are not tried, and go later."""
    rows = [f"p{number}@example.com,P,x\n" for number in range(100)]
    (folder / "people.csv").write_text("to,name,item\n" + "".join(rows))
    with ScriptedSMTPServer() as gone:
        url = gone.url()
    assert merge("--url", url, "--resume", "s") == 1
    statuses = [row["status"] for row in results()]
    assert statuses.count("deferred") <= 5
    assert statuses.count("not sent") >= 95
    assert "error " in merge.err
    with ScriptedSMTPServer() as server:
        assert merge("--url", server.url(), "--resume", "s") == 0
        assert len(server.commits) == 100


def test_a_refused_login_ends_the_run(merge: Merge) -> None:
    """One bad login, not one for each row."""
    with ScriptedSMTPServer(credentials={"u": "right"}, tls="implicit") as server:
        assert merge("--url", server.url(username="u", password="wrong"), "--resume", "s") == 1
        assert len(server.sessions) == 1
    assert "did not accept the credentials" in merge.err
    assert "wrong" not in merge.err
    assert {row["status"] for row in results()} <= {"deferred", "not sent"}


# -- stopping


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_finishes_the_mail_in_flight(number: signal.Signals, merge: Merge, folder: Path) -> None:
    """Told to stop while a mail is with the server: that mail's reply is waited for; the others go later."""
    rows = [f"p{at}@example.com,P,x\n" for at in range(50)]
    (folder / "people.csv").write_text("to,name,item\n" + "".join(rows))
    with ScriptedSMTPServer([Rule("BODY", nth=3).hold("third").proceed()]) as server:

        def interrupt() -> None:
            server.wait_for_commits(2, 30)
            os.kill(os.getpid(), number)
            server.release("third")

        thread = threading.Thread(target=interrupt)
        thread.start()
        assert merge("--url", server.url(), "--resume", "s") == 1
        thread.join()
        taken = recipients(server)
        assert 2 <= len(taken) <= 5
        assert "stopping: the mail in flight is finished" in merge.err
        assert [row["to"] for row in results() if row["status"] == "accepted"] == taken
        assert not [row for row in results() if row["status"] == "unknown"]
        assert merge("--url", server.url(), "--resume", "s") == 0
        assert recipients(server) == [f"p{at}@example.com" for at in range(50)]


def test_a_signal_while_the_rate_limit_waits(merge: Merge, server: ScriptedSMTPServer) -> None:
    """One mail an hour: the wait is broken off, and the mail that waited goes later."""

    def interrupt() -> None:
        server.wait_for_commits(1, 30)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    assert merge("--url", server.url(), "--resume", "s", "--rate", "1/hour") == 1
    thread.join()
    assert recipients(server) == ["zoe@example.com"]
    assert next(row["status"] for row in results()) == "accepted"
    assert merge("--url", server.url(), "--resume", "s") == 0
    assert recipients(server) == ["zoe@example.com", "bob@example.com"]


# -- the guide


def test_the_commands_of_the_guide_work(
    merge: Merge,
    server: ScriptedSMTPServer,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With the table and the text that it shows, each command does what it says there."""
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "merge-from-csv.md").read_text("utf-8")
    blocks = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    (folder / "people.csv").write_text(blocks[0], encoding="utf-8")
    (folder / "news.txt").write_text(blocks[1], encoding="utf-8")
    monkeypatch.setenv("MODERNMAIL_URL", server.url())
    commands = re.findall(r"^\$ modernmail (merge .*)$", page, re.MULTILINE)
    assert len(commands) == 2
    for command in commands:
        assert main(shlex.split(command)) == 0
    out = capsys.readouterr().out
    for line in (
        "To: Zoë <zoe@example.com>",
        "│ your code is A-17.",
        "2 mails would be sent",
        "✓ 2 rows: 2 accepted",
    ):
        assert line in page
        assert line in out
    assert recipients(server) == ["zoe@example.com", "bob@example.com"]


def test_a_link_to_unsubscribe(merge: Merge, server: ScriptedSMTPServer) -> None:
    """Each mail has a link of its own; a hole in it that no column fills is refused."""
    assert merge("--url", server.url(), "--unsubscribe", "https://example.com/u/{item}?who={recipient}") == 0
    fields = [str(mail["List-Unsubscribe"]) for mail in received(server)]
    assert fields == [
        "<https://example.com/u/Tea?who=zoe%40example.com>",
        "<https://example.com/u/%3CCoffee%3E?who=bob%40example.com>",
    ]
    assert (
        merge("--url", server.url(), "--results", "x", "--unsubscribe", "https://example.com/{nobody}") == 2
    )
    assert "the unsubscribe link asks for {nobody}" in merge.err
    assert merge("--url", server.url(), "--results", "x", "--unsubscribe", "http://example.com/") == 2
    assert "https" in merge.err
