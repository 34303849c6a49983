"""The commands `inbox`, `lint`, `preview`, and the demo that stays: as programs, and their options."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest

from modernmail import Mailer, Message
from modernmail.cli.__main__ import main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from services.certificates import CertificateAuthority


@contextmanager
def program(*arguments: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """A running command, and what it has printed up to the line that says how to end it."""
    command = [sys.executable, "-m", "modernmail", *arguments]
    running = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **environment},
    )
    try:
        lines: list[str] = []
        assert running.stdout is not None
        for line in running.stdout:
            lines.append(line.rstrip())
            if "Ctrl-C ends it" in line:
                break
        yield running, lines
    finally:
        running.kill()
        running.wait()
        if running.stdout is not None:
            running.stdout.close()


def address(lines: list[str], scheme: str) -> str:
    """The first address of a kind in the output."""
    found = re.search(rf"{scheme}://127\.0\.0\.1:\d+", "\n".join(lines))
    assert found, lines
    return found[0]


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_the_inbox_catches_and_shows(tmp_path: Path, ending: signal.Signals) -> None:
    """`modernmail inbox` prints its addresses, catches mail into its folder, shows it, and ends when asked."""
    with program("inbox", "--smtp-port", "0", "--http-port", "0", "--dir", str(tmp_path)) as (running, lines):
        with Mailer(address(lines, "smtp"), from_email="a@example.com") as mailer:
            mailer.send(Message("Caught", "x", to=["b@example.com"]))
        page = address(lines, "http")
        with urlopen(f"{page}/api/v1/messages") as answer:
            found = json.load(answer)["messages"][0]
        with urlopen(page) as answer:
            assert f"/messages/{found['ID']}" in answer.read().decode()
        assert (tmp_path / "mails" / f"{found['ID']}.eml").exists()
        assert str(tmp_path) in "\n".join(lines)
        running.send_signal(ending)
        assert running.wait(20) == 0


def test_the_inbox_with_options(certificate_authority: CertificateAuthority) -> None:
    """Refused recipients, logins and STARTTLS are as asked for; in memory there is no folder."""
    certificate = certificate_authority.issue()
    options = ["--memory", "--refuse", "no@example.com", "--accept-any-login", "--tls-cert", str(certificate.chain_file),
               "--tls-key", str(certificate.key_file)]  # fmt: skip
    with program("inbox", "--smtp-port", "0", "--http-port", "0", *options) as (_, lines):
        assert not any("mails" in line for line in lines)
        url = address(lines, "smtp").replace("smtp://", "smtp://any:thing@")
        with Mailer(
            f"{url}?tls=required&ca={certificate_authority.ca_file}", from_email="a@example.com"
        ) as mailer:
            receipt = mailer.send(Message("x", "y", to=["no@example.com", "yes@example.com"]))
        assert list(receipt.refused) == ["no@example.com"]
        with urlopen(f"{address(lines, 'http')}/api/mails") as answer:
            (mail,) = json.load(answer)["mails"]
        assert mail["recipients"] == ["yes@example.com"]


def test_an_inbox_that_fails_as_asked_for(certificate_authority: CertificateAuthority) -> None:
    """Patterns are refused with the replies that were given, over TLS from the first octet."""
    certificate = certificate_authority.issue()
    refused = ("*@slow.example=451 4.7.1 Come back later", "full@*=452", "*@gone.example")
    options = [*("--memory", "--implicit-tls", "--tls-cert", str(certificate.chain_file), "--tls-key", str(certificate.key_file)),
               *(word for each in refused for word in ("--refuse", each))]  # fmt: skip
    with program("inbox", "--smtp-port", "0", "--http-port", "0", *options) as (_, lines):
        url = f"{address(lines, 'smtps')}?ca={certificate_authority.ca_file}"
        to = ["a@SLOW.example", "full@example.com", "x@gone.example", "yes@example.com"]
        with Mailer(url, from_email="a@example.com") as mailer:
            receipt = mailer.send(Message("x", "y", to=to))
        assert list(receipt.accepted) == ["yes@example.com"]
        replies = [str(outcome.reply) for outcome in receipt.refused.values()]
        assert replies[0] == "451 4.7.1 Come back later"
        assert [reply[:3] for reply in replies] == ["451", "452", "550"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--host", "0.0.0.0"], "can be reached from outside"),
        (["--user", "zoe"], "MODERNMAIL_INBOX_PASSWORD"),
        (["--memory", "--dir", "x"], "choose one"),
        (["--tls-key", __file__], "--tls-key needs --tls-cert"),
        (["--implicit-tls"], "--implicit-tls needs --tls-cert"),
        (["--tls-cert", __file__], "no certificate and private key in PEM form"),
        (["--release-url", "smtp://localhost"], "go together"),
        (["--release-allow", "*@example.com"], "go together"),
        (["--limit", "0"], "limit"),
    ],
)
def test_bad_options_of_the_inbox(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What cannot be is exit code 2, with one line that names it."""
    monkeypatch.setenv("MODERNMAIL_INBOX", str(tmp_path))
    monkeypatch.delenv("MODERNMAIL_INBOX_PASSWORD", raising=False)
    assert main(["inbox", "--smtp-port", "0", "--http-port", "0", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_the_inbox_with_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """User, release and age are passed on; the page is opened when asked for."""
    opened: list[str] = []
    monkeypatch.setattr("click.launch", opened.append)
    monkeypatch.setattr("modernmail.cli.inbox.stay", lambda: None)
    monkeypatch.setenv("MODERNMAIL_INBOX_PASSWORD", "s3cret")
    arguments = ["--dir", str(tmp_path), "--user", "zoe", "--release-url", "null:", "--release-allow", "*@example.com",
                 "--max-age", "1", "--open", "--hostname", "inbox.test"]  # fmt: skip
    assert main(["inbox", "--smtp-port", "0", "--http-port", "0", *arguments]) == 0
    out = capsys.readouterr().out
    assert opened[0] in out
    assert "s3cret" not in out


def test_the_demo_stays_for_a_look() -> None:
    """`modernmail demo` ends on a page that lists the sample mails, and stays until it is ended."""
    with program("demo") as (running, lines):
        with urlopen(address(lines, "http")) as answer:
            page = answer.read().decode()
        assert page.count("Hello from modernmail") == 2
        assert "6 mails sent, 6 arrived" in "\n".join(lines)
        assert running.poll() is None
        running.send_signal(signal.SIGINT)
        assert running.wait(20) == 0


# -- lint


def test_lint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Findings are listed with their places; errors make exit code 1, warnings only with --strict."""
    good, warned, bad = tmp_path / "good.eml", tmp_path / "warned.eml", tmp_path / "bad.eml"
    head = b"From: a@example.com\r\nSubject: x\r\nDate: Tue, 03 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.com>\r\n"
    good.write_bytes(head + b"\r\nHello\r\n")
    warned.write_bytes(head + b"Content-Type: text/html\r\n\r\n<img src=https://example.com/x.svg>\r\n")
    bad.write_bytes(head + b"Content-Type: text/html\r\n\r\n<img src=cid:none alt=''>\r\n")
    assert main(["lint", str(good)]) == 0
    assert "0 errors, 0 warnings, 0 remarks" in capsys.readouterr().out
    assert main(["lint", str(warned), "--no-clients"]) == 0
    assert "no-alt" in capsys.readouterr().out
    assert main(["lint", "--strict", str(warned)]) == 1
    assert "support-image-svg" in capsys.readouterr().out
    assert main(["lint", str(good), str(bad)]) == 1
    out = capsys.readouterr().out
    assert f"✓ {good}" in out
    assert re.search(r"error +The HTML shows inline images that are not in the mail", out)
    assert "cid:none" in out
    assert main(["lint", "--json", str(bad)]) == 1
    findings = json.loads(capsys.readouterr().out)[str(bad)]
    assert findings[0]["check"] == "broken-cid"
    assert main(["lint", str(tmp_path / "none.eml")]) == 2
    assert "does not exist" in capsys.readouterr().err


def test_lint_reads_a_file_with_the_line_ends_of_its_machine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file whose lines all end in LF, as editors write it, is a mail like any other; one that mixes line ends has a fault."""
    mail = b"From: a@example.com\nSubject: x\nDate: Tue, 03 Nov 2026 10:00:00 +0000\nMessage-ID: <1@example.com>\n\nHi\n"
    written, mixed = tmp_path / "written.eml", tmp_path / "mixed.eml"
    written.write_bytes(mail)
    mixed.write_bytes(mail.replace(b"\n", b"\r\n", 5))
    assert main(["lint", str(written)]) == 0
    assert "0 errors, 0 warnings, 0 remarks" in capsys.readouterr().out
    assert main(["lint", str(mixed)]) == 1
    assert "bare-line-end" in capsys.readouterr().out


def test_lint_reads_standard_input() -> None:
    """`-` is standard input."""
    done = subprocess.run(
        [sys.executable, "-m", "modernmail", "lint", "-"],
        input=b"Subject: x\r\n\r\ny",
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    assert b"no-from" in done.stdout


# -- preview


def test_preview(tmp_path: Path) -> None:
    """`modernmail preview` finds the module in the current folder, lists its previews, and shows them."""
    (tmp_path / "my_previews.py").write_text(
        "from modernmail import Message\n\ndef welcome(name: str = 'Zoë') -> Message:\n"
        '    """After signing up."""\n    return Message(f"Hi {name}", "x")\n'
    )
    here = os.getcwd()
    os.chdir(tmp_path)
    try:
        with program("preview", "my_previews", "--http-port", "0") as (running, lines):
            assert any("my_previews.welcome" in line and "After signing up." in line for line in lines)
            with urlopen(f"{address(lines, 'http')}/previews/my_previews.welcome?name=Adam") as answer:
                assert "Hi Adam" in answer.read().decode()
            running.send_signal(signal.SIGINT)
            assert running.wait(20) == 0
    finally:
        os.chdir(here)


def test_preview_of_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """A module that is not there, or holds no previews, is exit code 2."""
    assert main(["preview", "no_such_module"]) == 2
    assert "no_such_module cannot be imported" in capsys.readouterr().err
    assert main(["preview", "json", "--open"]) == 2
