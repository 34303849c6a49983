"""`modernmail worker` and `modernmail outbox`, as a person or a supervisor runs them."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import chores
import pytest
from click.testing import CliRunner, Result

import modernmail
from modernmail import Message, tasks
from modernmail.cli.app import app
from modernmail.errors import ConfigurationError, QueueError, TaskResultDoesNotExist
from modernmail.tasks.signature import sign
from modernmail.tasks.sqlite.mail import MailStore
from modernmail.tasks.sqlite.taskstore import TaskStore
from modernmail.testing import Rule, ScriptedSMTPServer

if TYPE_CHECKING:
    from collections.abc import Iterator


_CLOSED = Rule("CONNECT").reply("421 4.3.2 not now").close()


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A queue in a new file, as the default backend; the default mailer is in memory."""
    url = f"sqlite:////{tmp_path}/queue.db?retry=0.05"
    tasks.configure(url)
    modernmail.configure({"default": {"url": "memory:", "from_email": "shop@example.com"}})
    yield url
    modernmail.configure({})


def run(*words: str, **more: Any) -> Result:
    """Run a command in this process; its error is raised."""
    return CliRunner().invoke(app, words, catch_exceptions=False, standalone_mode=False, **more)


def mail(*to: str) -> Message:
    """Return a message to these people."""
    return Message("Hello", "Text", to=list(to) or ["you@example.com"])


def process(url: str, server: ScriptedSMTPServer, *words: str, **more: Any) -> subprocess.Popen[str]:
    """Start a worker as a process of its own."""
    tests = Path(chores.__file__).parent
    environment = {
        **os.environ, "PYTHONPATH": str(tests), "MODERNMAIL_URL": server.url(),
        "MODERNMAIL_TASKS_URL": url,
    }  # fmt: skip
    command = [sys.executable, "-m", "modernmail.cli", "worker", *words]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, **more)


def test_a_worker_empties_the_queue_and_prints_a_line_for_each_mail(url: str) -> None:
    """Off a terminal each mail is a line of JSON."""
    ticket = mail("a@example.com", "b@example.com").enqueue()
    result = run("worker", "--until-empty", "--tasks-url", url)
    (line,) = result.output.splitlines()
    assert json.loads(line) == {
        "id": ticket.id, "name": ticket.message_id, "phase": "accepted", "attempt": 1, "mailer": "default",
        "recipients": {"accepted": 2},
    }  # fmt: skip


def test_a_worker_whose_output_nobody_reads_goes_on(url: str) -> None:
    """A closed pipe at standard output is one line on standard error, and every mail goes out."""
    tickets = [mail().enqueue() for _ in range(5)]
    read, write = os.pipe()
    os.close(read)
    with ScriptedSMTPServer() as server:
        environment = {**os.environ, "MODERNMAIL_URL": server.url()}
        command = [sys.executable, "-m", "modernmail", "worker", "--until-empty", "--tasks-url", url]
        done = subprocess.run(
            command, env=environment, stdout=write, stderr=subprocess.PIPE, text=True, timeout=60
        )
    os.close(write)
    assert done.returncode == 0
    (line,) = done.stderr.splitlines()
    assert "standard output takes no more lines (Broken pipe): the work goes on without them" in line
    for ticket in tickets:
        ticket.refresh()
        assert ticket.status == "accepted"


def test_a_worker_serves_the_queues_it_was_given(url: str) -> None:
    """`--queue` may be repeated; other queues stay."""
    chores.note.using(queue_name="a").enqueue("a")
    chores.note.using(queue_name="b").enqueue("b")
    chores.note.enqueue("default")
    run("worker", "--until-empty", "--queue", "a", "--queue", "b", "--concurrency", "1")
    assert chores.done == ["a", "b"]


def test_a_worker_names_a_file_that_it_finds_not_there(tmp_path: Path) -> None:
    """Started in another folder than the program, with a relative path, a worker serves another file: it says which."""
    path = tmp_path / "elsewhere.db"
    url = f"sqlite:///{path}"
    done = run("worker", "--tasks-url", url, "--until-empty")
    assert done.stderr == f"there is no {path} yet: it is made now, for whoever enqueues into that file\n"
    assert run("worker", "--tasks-url", url, "--until-empty").stderr == ""


def test_a_worker_needs_a_queue_it_can_work_on(url: str) -> None:
    """Another backend, or a module that is not there, is an error that says what to do."""
    with pytest.raises(ConfigurationError, match=r"pass --tasks-url sqlite:///queue\.db"):
        run("worker", "--tasks-url", "immediate:")
    tasks.configure({})
    with pytest.raises(
        ConfigurationError, match=r"say which queue: --tasks-url .*MODERNMAIL_TASKS_URL .*--import"
    ):
        run("worker")
    with pytest.raises(ConfigurationError, match="--import no_such_module"):
        run("worker", "--import", "no_such_module")
    tasks.configure(url)
    run("worker", "--import", "chores", "--until-empty")


@pytest.mark.parametrize(
    ("rules", "told"),
    [((), ["3 accepted", "0 left"]), ((_CLOSED,), ["put off", "default is paused", "left"])],
)
def test_on_a_terminal_a_line_counts(url: str, rules: tuple[Rule, ...], told: list[str]) -> None:
    """Progress, rate and the mailers that are paused are shown, and no JSON."""
    for _ in range(3):
        mail().enqueue()
    ours, theirs = pty.openpty()
    with ScriptedSMTPServer(rules) as server:
        modernmail.configure({"default": server.url()})
        tests = Path(chores.__file__).parent
        environment = {
            **os.environ, "PYTHONPATH": str(tests), "MODERNMAIL_URL": server.url(), "TERM": "xterm",
        }  # fmt: skip
        command = [sys.executable, "-m", "modernmail.cli", "worker", "--until-empty", "--tasks-url", url]
        assert (
            subprocess.run(command, env=environment, stdout=theirs, timeout=60, check=False).returncode == 0
        )
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert [each for each in told if each not in shown] == []
    assert "{" not in shown
    assert "1 paused" not in shown


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_terminated_worker_finishes_what_it_sends(url: str, number: signal.Signals) -> None:
    """SIGTERM, or a terminal that is gone: the mail in DATA is sent, the others are given back, and the worker ends with 0."""
    with ScriptedSMTPServer([Rule("BODY", nth=1).hold("go").proceed()]) as server:
        tickets = tasks.enqueue_many(mail() for _ in range(4))
        # The run of the tests may be under nohup.
        worker = process(url, server, preexec_fn=lambda: signal.signal(number, signal.SIG_DFL))
        server.wait_for_step("BODY", timeout=30)
        worker.send_signal(number)
        with pytest.raises(subprocess.TimeoutExpired):
            worker.wait(0.3)
        server.release("go")
        said, _ = worker.communicate(timeout=30)
        assert worker.returncode == 0
    statuses = [(ticket.refresh(), ticket.status)[1] for ticket in tickets]
    assert statuses.count("accepted") == len(server.commits) == len(said.splitlines())
    assert statuses.count("queued") == 4 - len(server.commits)


def test_under_nohup_a_worker_stays(url: str) -> None:
    """A SIGHUP that is ignored where it starts is ignored: the mails after it are sent as well."""
    ignored = {"preexec_fn": lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)}
    with ScriptedSMTPServer([Rule("BODY", nth=1).hold("go").proceed()]) as server:
        tasks.enqueue_many(mail() for _ in range(3))
        worker = process(url, server, "--until-empty", **ignored)
        server.wait_for_step("BODY", timeout=30)
        worker.send_signal(signal.SIGHUP)
        server.release("go")
        worker.communicate(timeout=30)
    assert (worker.returncode, len(server.commits)) == (0, 3)


def test_a_second_signal_ends_it_at_once(url: str) -> None:
    """The mail whose dot was out is unknown, once its lease is over."""
    with ScriptedSMTPServer([Rule("BODY").hold("never").proceed()]) as server:
        ticket = mail().enqueue()
        worker = process(f"{url}&lease=1", server)
        server.wait_for_step("BODY", timeout=30)
        worker.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            worker.wait(0.2)
        worker.send_signal(signal.SIGTERM)
        worker.communicate(timeout=10)
        assert worker.returncode == 128 + signal.SIGTERM
        ticket.refresh()
        while ticket.status == "sending":
            run("worker", "--until-empty")
            ticket.refresh()
        server.release("never")
    assert ticket.status == "unknown"


def test_list_show_and_stats_tell_what_there_is(url: str) -> None:
    """As lines for people, as JSON for programs."""
    with ScriptedSMTPServer([Rule("RCPT", contains="never@").reply("550 5.1.1 no such user")]) as server:
        modernmail.configure({"default": {"url": server.url(), "from_email": "shop@example.com"}})
        assert "the outbox is empty" in run("outbox", "stats").output
        done = mail("now@example.com", "never@example.com").enqueue()
        run("worker", "--until-empty")
        later = mail("later@example.com").enqueue(run_after=timedelta(days=1))
        modernmail.mailers["default"].close()
    lines = run("outbox", "list").output.splitlines()
    assert [line.split()[0] for line in lines] == [done.id, later.id]
    assert "1 accepted, 1 rejected" in lines[0]
    assert "now@example.com and 1 more" in lines[0]
    listed = run("outbox", "list", "--status", "queued", "--json", "--limit", "1").output
    assert json.loads(listed)["id"] == later.id
    shown = run("outbox", "show", done.id).output
    assert "550 5.1.1 no such user" in shown
    assert "never@example.com" in shown
    facts = json.loads(run("outbox", "show", done.id, "--json").output)
    assert facts["recipients"]["never@example.com"]["status"] == "rejected"
    assert "Subject: Hello" in run("outbox", "show", later.id, "--content").output
    counted = json.loads(run("outbox", "stats", "--json").output)
    backlog = counted.pop("backlog")
    assert counted == {"recipients": {"accepted": 1, "rejected": 1, "queued": 1}, "paused": []}
    assert 86_000 < backlog.pop("next_due_seconds") <= 86_400
    assert backlog == {"due": 0, "oldest_due_seconds": None, "sending": 0, "waiting": 1, "due_within_hour": 0}
    lines = run("outbox", "stats").output.splitlines()
    assert [line.split() for line in lines[:3]] == [["1", "queued"], ["1", "accepted"], ["1", "rejected"]]
    assert lines[3:] == [
        "1 mail is waiting for the next attempt, or a time of its own, the first in 23 h 59 min"
    ]


def test_tasks_can_be_looked_at_whatever_is_wrong_with_them(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that failed, one whose function is gone, one that was tampered with: each is kept with its error."""
    monkeypatch.setenv("MODERNMAIL_QUEUE_KEY", "secret key of enough bytes")
    done, failed, gone, changed = (
        chores.add.enqueue(1),
        chores.fail.enqueue(),
        *map(chores.note.enqueue, "ab"),
    )
    backend = tasks.task_backends["default"]
    sql = "UPDATE modernmail_job SET name = 'chores.gone', signature = ? WHERE id = ?"
    signature = sign("secret key of enough bytes", "chores.gone", '{"v":1,"args":["a"],"kwargs":{}}')
    backend.database.execute(sql, (signature, int(gone.id, 16)))  # type: ignore[attr-defined]
    sql = "UPDATE modernmail_job SET payload = replace(payload, '\"b\"', '\"c\"') WHERE id = ?"
    backend.database.execute(sql, (int(changed.id, 16),))  # type: ignore[attr-defined]
    run("worker", "--until-empty")
    lines = run("tasks", "list").output.splitlines()
    assert [line.split()[0] for line in lines] == [done.id, failed.id, gone.id, changed.id]
    assert "done     chores.add" in lines[0]
    assert lines[1].endswith("failed   chores.fail  ValueError: no luck")
    assert "chores.gone  modernmail.errors.InvalidTask" in lines[2]
    assert "modernmail.errors.PayloadRejected: the job's signature is wrong" in lines[3]
    listed = run("tasks", "list", "--status", "failed", "--json", "--limit", "1").output
    assert json.loads(listed)["id"] == failed.id
    assert "raise ValueError" in run("tasks", "show", failed.id).output
    facts = json.loads(run("tasks", "show", done.id, "--json").output)
    assert (facts["status"], facts["return_value"], facts["attempts"]) == ("done", 3, 1)
    with pytest.raises(TaskResultDoesNotExist, match="no task 'zz'"):
        run("tasks", "show", "zz")


def test_a_failed_task_is_tried_again_when_somebody_says_so(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By id or all of them; the errors of before stay, and no attempt is taken for a lost one."""
    gone = chores.note.enqueue("late")
    backend = tasks.task_backends["default"]
    backend.database.execute("UPDATE modernmail_job SET name = 'chores.gone'")  # type: ignore[attr-defined]
    run("worker", "--until-empty")
    assert chores.done == []
    backend.database.execute("UPDATE modernmail_job SET name = 'chores.note'")  # type: ignore[attr-defined]
    assert run("tasks", "retry", gone.id).output == f"{gone.id} queued\n"
    run("worker", "--until-empty")
    gone.refresh()
    assert (chores.done, gone.status, gone.attempts, len(gone.errors)) == (["late"], "SUCCESSFUL", 1, 1)
    assert run("tasks", "list").output.rstrip().endswith("done     chores.note")
    with pytest.raises(QueueError, match="is done: only a failed one"):
        run("tasks", "retry", gone.id)
    chores.fail.enqueue()
    run("worker", "--until-empty")
    assert run("tasks", "retry", "--all").output.endswith("queued\n")
    assert CliRunner().invoke(app, ["tasks", "retry"]).exit_code == 2


def test_all_means_all_that_is_still_there(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that takes one of them meanwhile leaves the others to be done; who is named by hand is an error."""
    # On a busy machine the worker would find a wait of 0.05 s over each time that it looks, and never end.
    tasks.configure(url.replace("retry=0.05", "retry=60"))
    tickets = [mail().enqueue() for _ in range(3)]
    tasks.task_backends["default"].database.execute(  # type: ignore[attr-defined]
        "UPDATE modernmail_job SET phase = 'unknown' WHERE lane <> 'task'"
    )
    failed = [chores.fail.enqueue() for _ in range(3)]
    run("worker", "--until-empty")
    backend: Any = tasks.task_backends["default"]
    taken = [int(each.id, 16) for each in (tickets[0], failed[0])]

    def meanwhile(method: Any) -> Any:
        def call(store: Any, number: str) -> Any:
            for each in taken:
                backend.database.execute(
                    "UPDATE modernmail_job SET phase = 'leased', lease = 'x' WHERE id = ?", (each,)
                )
            return method(store, number)

        return call

    monkeypatch.setattr(MailStore, "resend", meanwhile(MailStore.resend))
    monkeypatch.setattr(TaskStore, "retry", meanwhile(TaskStore.retry))
    for command, first, others, word in (
        ("outbox resend", tickets[0], tickets[1:], "no recipient that is unknown"),
        ("tasks retry", failed[0], failed[1:], "only a failed one"),
    ):
        backend.database.execute(
            "UPDATE modernmail_job SET phase = ? WHERE id = ?",
            ("unknown" if command == "outbox resend" else "failed", int(first.id, 16)),
        )
        backend.database.execute("UPDATE modernmail_job SET lease = NULL")
        done = run(*command.split(), "--all")
        assert [line.split()[0] for line in done.stdout.splitlines()] == [each.id for each in others]
        assert f"{first.id} left as it is" in done.stderr
        assert word in done.stderr
        with pytest.raises(QueueError, match=word):
            run(*command.split(), first.id)


def test_retry_discard_and_resend_decide(url: str) -> None:
    """Each by id; `--all` for what waits or is unknown; what is over is refused."""
    waiting, other = (mail().enqueue(run_after=timedelta(days=1)) for _ in range(2))
    assert run("outbox", "retry", waiting.id).output == f"{waiting.id} queued\n"
    assert run("outbox", "discard", other.id).output == f"{other.id} discarded\n"
    run("worker", "--until-empty")
    waiting.refresh()
    other.refresh()
    assert (waiting.status, other.status) == ("accepted", "discarded")
    assert "the content was dropped" in run("outbox", "show", waiting.id, "--content").output
    with pytest.raises(QueueError):
        run("outbox", "resend", waiting.id)
    with ScriptedSMTPServer([Rule("BODY", nth=1, session=1).commit().close()]) as server:
        modernmail.configure({"default": {"url": server.url(), "from_email": "shop@example.com"}})
        lost = mail().enqueue()
        run("worker", "--until-empty")
        lost.refresh()
        assert lost.status == "unknown"
        assert run("outbox", "resend", "--all").output == f"{lost.id} queued again\n"
        assert run("outbox", "retry", "--all").output == ""
        run("worker", "--until-empty")
        modernmail.mailers["default"].close()
    lost.refresh()
    assert lost.status == "accepted"


@pytest.mark.parametrize("words", [("outbox", "list"), ("outbox", "resend"), ("tasks", "show")])
def test_help_needs_no_queue(words: tuple[str, ...]) -> None:
    """A command says what it does before anything is configured."""
    result = CliRunner().invoke(app, [*words, "--help"])
    assert (result.exit_code, result.output.startswith("Usage:")) == (0, True)


def test_commands_without_an_id_say_what_they_want(url: str) -> None:
    """A usage error, and nothing is changed."""
    for word in ("retry", "discard", "resend"):
        result = CliRunner().invoke(app, ["outbox", word])
        assert result.exit_code == 2
        assert "say which" in result.output


def test_stats_name_paused_mailers(url: str) -> None:
    """A mailer that cannot send is shown with its reason."""
    mail().enqueue()
    modernmail.configure({"other": "memory:"})
    run("worker", "--until-empty")
    assert "mailer default is paused" in run("outbox", "stats").output
    assert json.loads(run("outbox", "stats", "--json").output)["paused"][0]["mailer"] == "default"
    told = run("outbox", "stats").output
    assert "or now: modernmail outbox retry --all" in told
    assert "mailer default is paused" in run("outbox", "list").output


def test_a_paused_mailer_goes_on_though_its_mail_was_never_tried(url: str) -> None:
    """`retry --all` lifts every pause: mail behind a refused login is queued, and not deferred."""
    ticket = mail().enqueue()
    modernmail.configure({"other": "memory:"})
    run("worker", "--until-empty")
    assert "mailer default is paused" in run("outbox", "show", ticket.id).output
    assert run("outbox", "retry", "--all").output == "mailer default goes on\n"
    counted = json.loads(run("outbox", "stats", "--json").output)
    assert (counted["recipients"], counted["paused"]) == ({"queued": 1}, [])
    assert "paused" not in run("outbox", "show", ticket.id).output


def test_the_list_says_why(url: str) -> None:
    """Who looks at the list at night sees what the server said, cut to a line."""
    with ScriptedSMTPServer([Rule("RCPT").reply("450 4.2.0 " + "greylisted " * 20)]) as server:
        modernmail.configure({"default": {"url": server.url(), "from_email": "shop@example.com"}})
        mail().enqueue()
        run("worker", "--until-empty")
        modernmail.mailers["default"].close()
    listed = run("outbox", "list", env={"COLUMNS": "200"}).output
    assert "450 4.2.0 greylisted greylisted" in listed
    assert listed.rstrip().endswith("…")


@pytest.mark.parametrize("words", [("outbox", "list"), ("outbox", "stats"), ("tasks", "list")])
def test_looking_makes_no_queue(tmp_path: Path, words: tuple[str, ...]) -> None:
    """A slip in the path shows itself, and leaves no file that the next program would fail to open."""
    group, command = words
    result = run(group, "--tasks-url", f"sqlite:///{tmp_path}/typo.db", command)
    assert f"there is no {tmp_path}/typo.db yet" in result.output
    assert list(tmp_path.iterdir()) == []


def test_content_goes_to_a_file_as_it_is_and_to_a_terminal_escaped(url: str) -> None:
    """What somebody wrote into a form steers nobody's terminal; a file has exactly what would be sent."""
    message = Message("Hi", "red: \x1b[31m", from_email="shop@example.com", to=["you@example.com"])
    ticket = message.enqueue(run_after=timedelta(days=1))
    command = [
        sys.executable,
        "-m",
        "modernmail",
        "outbox",
        "--tasks-url",
        url,
        "show",
        "--content",
        ticket.id,
    ]
    piped = subprocess.run(command, capture_output=True, timeout=60, check=True).stdout
    assert piped.endswith(b"\r\n\r\nred: \x1b[31m\r\n")
    ours, theirs = pty.openpty()
    subprocess.run(command, stdout=theirs, timeout=60, check=True, env={**os.environ, "TERM": "dumb"})
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert r"red: \x1b[31m" in shown
    assert "\x1b[31m" not in shown
