"""The command line: what it sends, what it prints, and how it says no."""

from __future__ import annotations

import email
import email.policy
import io
import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from modernmail.cli.__main__ import main
from modernmail.cli.samples import document, picture
from modernmail.testing import Rule, ScriptedSMTPServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


OURS = ["--from", "Me <me@example.com>", "--to", "zoe@example.com"]


@pytest.fixture(autouse=True)
def without_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No environment of the developer's, and an empty folder."""
    for name in ("MODERNMAIL_URL", "MODERNMAIL_FROM", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def server() -> Iterator[ScriptedSMTPServer]:
    """A server that refuses whoever is called refused."""
    with ScriptedSMTPServer(
        [Rule("RCPT", contains="refused").reply("550 5.1.1 no such\x1b[31m user")]
    ) as running:
        yield running


def standard_input(monkeypatch: pytest.MonkeyPatch, octets: bytes) -> None:
    """Let the command read these octets."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(octets)))


# -- send


def test_send_sends_every_part(
    server: ScriptedSMTPServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each option arrives where it belongs, files with the bytes they have, and Bcc in no header."""
    (tmp_path / "text.txt").write_text("Grüße\n", encoding="utf-8")
    (tmp_path / "page.html").write_text("<img src=cid:logo>", encoding="utf-8")
    (tmp_path / "naïve.pdf").write_bytes(document("x"))
    (tmp_path / "logo.png").write_bytes(picture())
    code = main([
        "send", "--url", server.url(), *OURS, "--to", "Bob <bob@example.com>", "--cc", "cc@example.com",
        "--bcc", "bcc@example.com", "--reply-to", "answers@example.com", "--subject", "Grüße, Zoë", "--text-file",
        "text.txt", "--html-file", "page.html", "--attach", "naïve.pdf", "--embed", "logo=logo.png",
        "--header", "X-Campaign: autumn: 1",
    ])  # fmt: skip
    assert code == 0
    (commit,) = server.commits
    assert commit.recipients == ("zoe@example.com", "bob@example.com", "cc@example.com", "bcc@example.com")
    mail = email.message_from_bytes(commit.content, policy=email.policy.default)
    assert str(mail["Subject"]) == "Grüße, Zoë"
    assert str(mail["X-Campaign"]) == "autumn: 1"
    assert str(mail["Reply-To"]) == "answers@example.com"
    parts = {part.get_content_type(): part for part in mail.walk() if not part.is_multipart()}
    assert parts["text/plain"].get_content().replace("\r\n", "\n") == "Grüße\n"
    assert parts["text/html"].get_content().strip() == "<img src=cid:logo>"
    assert parts["application/pdf"].get_content() == document("x")
    assert parts["application/pdf"].get_filename() == "naïve.pdf"
    assert parts["image/png"].get_content() == picture()
    assert parts["image/png"]["Content-ID"] == "<logo>"
    assert b"bcc@" not in commit.content
    assert "accepted" in capsys.readouterr().out


def test_send_reads_the_text_from_standard_input(
    server: ScriptedSMTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--text-file -` is standard input; a byte order mark is not text."""
    standard_input(monkeypatch, "\ufeffHello\n".encode())
    assert main(["send", "--url", server.url(), *OURS, "--text-file", "-"]) == 0
    assert server.commits[0].content.endswith(b"\r\n\r\nHello\r\n")


def test_send_takes_server_and_sender_from_the_environment(
    server: ScriptedSMTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MODERNMAIL_URL and MODERNMAIL_FROM stand in for `--url` and `--from`."""
    monkeypatch.setenv("MODERNMAIL_URL", server.url())
    monkeypatch.setenv("MODERNMAIL_FROM", "Shop <shop@example.com>")
    assert main(["send", "--to", "zoe@example.com", "--text", "Hi"]) == 0
    assert server.commits[0].sender == "shop@example.com"


def test_a_partial_refusal_is_shown_and_counts_as_sent(
    server: ScriptedSMTPServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who was refused is printed with the reply, its control characters escaped; the exit code is 0."""
    code = main(["send", "--url", server.url(), *OURS, "--to", "refused@example.com", "--text", "Hi"])
    out, err = capsys.readouterr()
    assert code == 0
    assert re.search(r"refused@example\.com +rejected +550 5\.1\.1 no such\\x1b\[31m user", out)
    assert re.search(r"zoe@example\.com +accepted", out)
    assert "\x1b" not in out
    assert err == ""


def test_a_total_refusal_is_one_line_and_exit_code_1(
    server: ScriptedSMTPServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody was accepted: the reply is in one line on standard error."""
    code = main(
        [
            "send",
            "--url",
            server.url(),
            "--from",
            "a@example.com",
            "--to",
            "refused@example.com",
            "--text",
            "x",
        ]
    )
    out, err = capsys.readouterr()
    assert code == 1
    assert out == ""
    assert err.count("\n") == 1
    assert "the server refused refused@example.com: 550 5.1.1" in err


def test_a_total_refusal_of_several_lists_them(
    server: ScriptedSMTPServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """With several recipients each has its line below the error."""
    refused = ["--to", "refused1@example.com", "--to", "refused2@example.com"]
    assert main(["send", "--url", server.url(), "--from", "a@example.com", *refused, "--text", "x"]) == 1
    assert capsys.readouterr().err.count("  rejected  550") == 2


def test_check_names_the_layers(capsys: pytest.CaptureFixture[str]) -> None:
    """Who asks why no customer gets mail sees the staging guard."""
    assert main(["check", "redirect(memory:)?to=dev@example.com"]) == 0
    assert "  layers  Redirect to dev@example.com\n" in capsys.readouterr().out
    assert main(["check", "memory:"]) == 0
    assert "layers" not in capsys.readouterr().out


def test_no_server_is_exit_code_1_and_shows_no_password(capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody listens on the port: one line, without the credentials."""
    assert main(["send", "--url", "smtp://zoe:s3cret@127.0.0.1:1?tls=off", *OURS, "--text", "x"]) == 1
    told = "error 127.0.0.1:1: Connection refused (nothing listens there: check host and port, and that the server runs)\n"
    assert capsys.readouterr().err == told


def test_dry_run_prints_the_wire_form(
    server: ScriptedSMTPServer, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """`--dry-run` sends nothing: the exact octets are on standard output, the envelope on standard error."""
    assert (
        main(
            [
                "send",
                "--url",
                server.url(),
                *OURS,
                "--bcc",
                "blind@example.com",
                "--text",
                ".dot",
                "--dry-run",
            ]
        )
        == 0
    )
    out, err = capfdbinary.readouterr()
    assert out.startswith(b"From: Me <me@example.com>\r\nTo: zoe@example.com\r\n")
    assert out.endswith(b"\r\n\r\n.dot\r\n")
    assert b"blind@example.com" not in out
    assert err == b"from <me@example.com>\nto   <zoe@example.com>\nto   <blind@example.com>\n"
    assert server.sessions == []


def test_dry_run_needs_no_server(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Without any URL the mail is printed all the same."""
    assert main(["send", *OURS, "--subject", "Hi", "--dry-run"]) == 0
    assert b"Subject: Hi\r\n" in capfdbinary.readouterr().out


REFUSED = {
    "no server": ([*OURS, "--text", "x"], "--url"),
    "no recipient": (["--url", "null:", "--from", "a@example.com", "--text", "x"], "to: []"),
    "no sender": (
        ["--url", "null:", "--to", "a@example.com", "--text", "x"],
        "say who sends: --from you@example.com",
    ),
    "a list in one address": (
        ["--url", "null:", "--to", "a@example.com, b@example.com"],
        "to[0]: 'a@example.com, b@",
    ),
    "text twice": (["--url", "null:", *OURS, "--text", "x", "--text-file", "y"], "--text-file"),
    "standard input twice": (
        ["--url", "null:", *OURS, "--text-file", "-", "--html-file", "-"],
        "standard input",
    ),
    "a missing attachment": (["--url", "null:", *OURS, "--attach", "nowhere.pdf"], "'nowhere.pdf'"),
    "a missing text": (["--url", "null:", *OURS, "--text-file", "nowhere.txt"], "--text-file: 'nowhere.txt'"),
    "text that is not UTF-8": (
        ["--url", "null:", *OURS, "--text-file", "latin.txt"],
        "octet 0xe9 at position 3",
    ),
    "embed without a file": (["--url", "null:", *OURS, "--embed", "logo="], "logo="),
    "embed without a cid": (["--url", "null:", *OURS, "--embed", "logo.png"], "CID=FILE"),
    "a header without a colon": (
        ["--url", "null:", *OURS, "--header", "X-A"],
        "'X-A': write it as 'Name: value'",
    ),
    "Bcc as a header": (["--url", "null:", *OURS, "--header", "Bcc: a@example.com"], "bcc"),
    "an attachment that is missing": (
        ["--url", "null:", *OURS, "--attach", "nowhere.pdf"],
        "--attach: 'nowhere.pdf'",
    ),
    "a missing file to embed": (["--url", "null:", *OURS, "--embed", "a=nowhere.png"], "--embed: "),
    "an unknown option": (["--frobnicate"], "--frobnicate"),
    "an unknown scheme": (
        ["--url", "ftp://example.com", *OURS],
        "'ftp'; there are console, file, inbox, lmtp, memory",
    ),
    "a malformed URL": (["--url", "smtp://zoe:s3cret@example.com:x", *OURS], "port"),
}


@pytest.mark.parametrize("why", REFUSED)
def test_a_mistake_is_exit_code_2(why: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A mistake in the options is one clear line (and where the help is), without secret and traceback."""
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    arguments, told = REFUSED[why]
    assert main(["send", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error ")
    assert told in err.splitlines()[0]
    assert "s3cret" not in err
    assert "Traceback" not in err
    assert err.count("\n") <= 2


# -- check


def test_check_tells_what_the_server_offers(capsys: pytest.CaptureFixture[str]) -> None:
    """TLS with its certificate, mechanisms, size limit, extensions and round trips, and no secret."""
    with ScriptedSMTPServer(tls="starttls", credentials={"zoe": "s3cret"}) as server:
        assert main(["check", server.url(username="zoe", password="s3cret")]) == 0
        assert server.sessions[0].user == "zoe"
        server.wait_until_idle()
        assert server.sessions[0].end == "quit"
    out, err = capsys.readouterr()
    assert re.search(r"^✓ 127\.0\.0\.1:\d+ takes mail \(\d+ ms\)$", out, re.MULTILINE)
    assert re.search(r"TLS +TLSv1\.[23], certificate verified", out)
    assert re.search(r"certificate +valid until \d{4}-\d\d-\d\d, -?\d+ days from now", out)
    assert re.search(r"login +PLAIN, LOGIN", out)
    assert re.search(r"logged in +as zoe", out)
    assert re.search(r"size limit +67\.1 MB", out)
    assert re.search(r"extensions +PIPELINING, 8BITMIME", out)
    assert re.search(r"round trips +2 a mail, 1 for each of many", out)
    assert err == ""
    assert "s3cret" not in out


def test_check_warns_of_what_is_not_verified(capsys: pytest.CaptureFixture[str]) -> None:
    """With `verify=off` and a self-signed certificate it says so; without PIPELINING too."""
    with ScriptedSMTPServer(tls="implicit", certificate="self-signed", capabilities=["8BITMIME"]) as server:
        assert main(["check", server.url(ca=None, verify="off")]) == 0
    out = capsys.readouterr().out
    assert "certificate not verified" in out
    assert "size limit   none stated" in out
    assert re.search(r"round trips +4 a mail, 1 more for each further recipient \(no PIPELINING", out)


@pytest.mark.parametrize(
    ("capabilities", "options", "told"),
    [
        (["PIPELINING", "CHUNKING"], {"chunking": "on"}, "1 a mail (BDAT"),
        (["PIPELINING", "CHUNKING"], {"chunking": "on", "window": 8}, "1 a mail, 1 for 8 of many (BDAT"),
        (["PIPELINING", "CHUNKING"], {}, "2 a mail, 1 for each of many"),
        (["PIPELINING"], {"chunking": "on"}, "2 a mail, 1 for each of many"),
        (["CHUNKING"], {"chunking": "on"}, "4 a mail"),
    ],
)
def test_check_tells_what_a_mail_would_wait(
    capabilities: list[str], options: dict[str, object], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The round trips are those of the options in the URL, as far as the server offers what they need."""
    with ScriptedSMTPServer(capabilities=capabilities) as server:
        assert main(["check", server.url(**options)]) == 0
    assert f"round trips  {told}" in capsys.readouterr().out


def test_check_of_a_plain_server(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The URL may come from the environment; mail in clear is said to be that."""
    with ScriptedSMTPServer() as server:
        monkeypatch.setenv("MODERNMAIL_URL", server.url())
        assert main(["check"]) == 0
    assert "none: mail goes in clear" in capsys.readouterr().out


def test_check_fails_with_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong password is exit code 1 and the server's reply, not the password."""
    with ScriptedSMTPServer(tls="starttls", credentials={"zoe": "right"}) as server:
        assert main(["check", server.url(username="zoe", password="s3cret")]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "did not accept the credentials of 'zoe' (PLAIN): 535" in err
    assert "s3cret" not in err


def test_check_of_a_folder(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A backend that is no server says what it has to say."""
    assert main(["check", f"file://{tmp_path}/mails"]) == 0
    assert f"directory  {tmp_path}/mails" in capsys.readouterr().out


def test_check_without_url_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing to check: exit code 2."""
    assert main(["check"]) == 2
    assert "modernmail check smtp://" in capsys.readouterr().err


@pytest.mark.filterwarnings("default")
def test_a_warning_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """smtps on the port of STARTTLS is doubtful: said in a line, without a place in some file."""
    assert main(["check", "smtps://127.0.0.1:25"]) in (1, 2)
    err = capsys.readouterr().err.splitlines()
    assert err[0].startswith("warning smtps:// speaks TLS from the first octet, and port 25")
    assert err[1].startswith("error ")


# -- demo


def test_demo_shows_what_arrived(capsys: pytest.CaptureFixture[str]) -> None:
    """Three mails go sync and async to the embedded inbox; receipts and arrivals are printed; the end is reached."""
    assert main(["demo", "--once"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "an inbox listens on smtp://127.0.0.1:" in out
    assert out.count("✓ Hello from modernmail") == 2
    assert len(re.findall(r"nobody@example\.com +rejected +550 5\.1\.1", out)) == 2
    assert len(re.findall(r"^ +\d\. ", out, re.MULTILINE)) == 6
    assert out.count("archive@example.com (Bcc)") == 2
    assert out.count("text, html, logo ") == 2
    assert "6 mails sent, 6 arrived, the same to the last octet" in out


def test_the_demo_documents_are_what_they_say() -> None:
    """The picture is a PNG of its declared size, the document a PDF whose table points at its objects."""
    png = picture()
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert png[16:24] == (128).to_bytes(4, "big") + (64).to_bytes(4, "big")
    pdf = document(r"a (b) \ c")
    table = int(pdf.rsplit(b"startxref\n", 1)[1].split()[0])
    entries = pdf[table:].splitlines()[3:8]
    assert [pdf[int(entry[:10]) :].split(b" ", 1)[0] for entry in entries] == [b"1", b"2", b"3", b"4", b"5"]
    assert rb"(a \(b\) \\ c)" in pdf


# -- the program


def test_the_list_of_commands_imports_none_of_them() -> None:
    """`modernmail --help` names every command and loads no command, no asyncio and no server."""
    program = (
        "import sys; from modernmail.cli.__main__ import main; main(['--help'])\n"
        "print([name for name in sys.modules if name in ('asyncio', 'aiosmtpd', 'ssl', 'modernmail.cli.send')])"
    )
    done = run(program)
    assert done.stdout.splitlines()[-1] == "[]"
    for name in ("check", "demo", "send"):
        assert re.search(rf"^  {name} +\w", done.stdout, re.MULTILINE)


def test_an_unknown_command_lists_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    """A name that is no command: exit code 2."""
    assert main(["sned"]) == 2
    assert "no command 'sned'; there are check, demo, " in capsys.readouterr().err


def test_without_arguments_it_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    """`modernmail` alone explains itself."""
    main([])
    out, err = capsys.readouterr()
    assert "Usage: modernmail" in out + err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """`--version` prints name and version."""
    import modernmail

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"modernmail {modernmail.__version__}\n"


@pytest.mark.parametrize(
    ("missing", "command", "extra"),
    [
        ("click", "send", "cli"),
        ("rich", "send", "cli"),
        ("click", "demo", "inbox"),
        ("click", "inbox", "inbox"),
    ],
)
def test_without_the_extra_it_says_what_to_install(missing: str, command: str, extra: str) -> None:
    """Without click or rich: one line that names the extra which brings all that the command needs, exit code 2."""
    done = run(
        f"import sys; sys.modules[{missing!r}] = None\n"
        f"from modernmail.cli.__main__ import main; sys.exit(main([{command!r}]))"
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == f"modernmail: the command line needs {missing}: pip install 'modernmail[{extra}]'\n"


def test_without_the_inbox_extra_the_demo_says_what_to_install() -> None:
    """Without aiosmtpd: one line that names the extra, exit code 2."""
    done = run(
        "import sys; sys.modules['aiosmtpd'] = None\n"
        "from modernmail.cli.__main__ import main; sys.exit(main(['demo']))"
    )
    assert done.returncode == 2
    assert "pip install 'modernmail[inbox]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_terminal_without_a_tick_is_no_reason_to_fail() -> None:
    """With an ASCII standard output, what cannot be shown is escaped."""
    done = run(
        "import sys; from modernmail.cli.__main__ import main\n"
        "sys.exit(main(['send', '--url', 'null:', '--from', 'a@example.com', '--to', 'b@example.com', '--subject', 'é']))",
        PYTHONIOENCODING="ascii",
    )
    assert done.returncode == 0
    assert done.stdout.startswith("\\u2713 \\xe9")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_mail_that_was_sent_counts_as_sent_though_nothing_can_be_printed(
    server: ScriptedSMTPServer,
) -> None:
    """With a full disk or a closed pipe at standard output the exit code is still 0: 1 would have it sent again."""
    command = [sys.executable, "-m", "modernmail", "send", "--url", server.url(), *OURS, "--text", "x"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (
        0,
        "error the mail was sent, but what became of it cannot be written to standard output: No space left on device\n",
    )
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, timeout=60)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(server.commits) == 2


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
@pytest.mark.parametrize("arguments", [["--help"], ["check", "null:"], ["lint", "--json", "-"]])
def test_output_that_cannot_be_written_is_one_line(arguments: list[str]) -> None:
    """A full disk at standard output is told in one line, with exit code 1 and without a traceback."""
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "modernmail", *arguments],
            stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60,
        )  # fmt: skip
    assert done.returncode == 1
    assert (
        done.stderr
        == "error what there is to say cannot be written to standard output: No space left on device\n"
    )


def test_json_is_json_in_any_encoding() -> None:
    """Where standard output cannot take a character, JSON says it in its own escapes."""
    mail = b"From: a@example.com\nSubject: x\nContent-Type: text/html; charset=utf-8\n\n<img src='cid:\xe2\x82\xac'>"
    done = subprocess.run(
        [sys.executable, "-m", "modernmail", "lint", "--json", "--no-clients", "-"],
        input=mail, capture_output=True, timeout=60, env={**os.environ, "PYTHONIOENCODING": "latin-1"},
    )  # fmt: skip
    assert "€" in str(json.loads(done.stdout.decode("ascii")))


def test_an_empty_mail_is_sent_and_warned_of(
    server: ScriptedSMTPServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mail without text, HTML and files may be meant; who forgot --text-file - is told."""
    assert main(["send", "--url", server.url(), *OURS, "--subject", "Disks"]) == 0
    assert capsys.readouterr().err.startswith("warning the mail is empty: --text")
    assert main(["send", "--url", server.url(), *OURS, "--text", "x"]) == 0
    assert capsys.readouterr().err == ""
    assert len(server.commits) == 2


def test_python_m_modernmail() -> None:
    """`python -m modernmail` is the same program."""
    done = subprocess.run(
        [sys.executable, "-m", "modernmail", "--version"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.startswith("modernmail ")


def run(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a fresh interpreter."""
    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | environment,
    )
