"""sendmail: an argument list, a safe one, and what the exit code means."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING

import pytest

from modernmail import DSN, Envelope, Mailer, Message
from modernmail.backends.sendmail import SendmailBackend
from modernmail.errors import (
    ConfigurationError,
    ConnectFailed,
    ContentRefused,
    DeliveryError,
    InvalidAttachment,
    OutcomeUnknown,
    RecipientsRefused,
    SecurityFailed,
)
from modernmail.testing.contract import BACKEND_RULES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from services.exim import Exim
    from services.postfix import Postfix

    from modernmail import Backend

ANN, BOB = "ann@example.com", "bob@example.com"

_RECORDER = """#!{python}
import json, sys, time
from pathlib import Path
{first}
data = sys.stdin.buffer.read()
path = Path({folder!r}) / f"{{time.time_ns()}}.json"
path.write_text(json.dumps([sys.argv[1:], data.decode("latin-1")]))
{last}
"""


class Program:
    """A sendmail that writes down what it is given; `first` and `last` are what it does besides."""

    def __init__(self, folder: Path, first: str = "", last: str = "") -> None:
        self.folder = folder / "calls"
        self.folder.mkdir()
        self.path = folder / "sendmail"
        self.path.write_text(
            _RECORDER.format(python=sys.executable, folder=str(self.folder), first=first, last=last)
        )
        self.path.chmod(0o755)

    @property
    def calls(self) -> list[tuple[list[str], bytes]]:
        """The arguments and the standard input of each run."""
        found = [json.loads(path.read_text()) for path in sorted(self.folder.iterdir())]
        return [(arguments, data.encode("latin-1")) for arguments, data in found]


def message(*to: str) -> Message:
    """Return a small mail."""
    return Message("Grüße", ".\nText\n..\n", from_email="me@example.com", to=list(to or (ANN,)))


@pytest.mark.parametrize("rule", BACKEND_RULES, ids=lambda rule: rule.__name__.strip("_"))
@pytest.mark.parametrize("mode", ["sync", "async"])
def test_contract(
    rule: Callable[[Callable[[], Backend], Sequence[str], str], None], mode: str, tmp_path: Path
) -> None:
    """It keeps the contract of a backend."""
    program = tmp_path / "sendmail"
    program.write_text("#!/bin/sh\nexec cat > /dev/null\n")
    program.chmod(0o755)
    rule(lambda: SendmailBackend(program), [ANN, BOB], mode)


@pytest.mark.parametrize("is_async", [False, True])
def test_what_the_program_gets(is_async: bool, tmp_path: Path) -> None:
    """Arguments one by one, -- before the recipients, Bcc among them, and the mail with Unix line ends."""
    program = Program(tmp_path)
    mailer = Mailer(f"sendmail:{program.path}?dsn=on")
    letter = message(ANN, "-oQ/tmp@example.com").copy(bcc="zoe@bücher.example")
    letter.dsn(notify=["failure", "delay"], ret="headers", envid="id 1")
    parcel = mailer.parcel(letter)
    receipt = asyncio.run(mailer.asend(parcel)) if is_async else mailer.send(parcel)
    assert receipt.is_complete
    ((arguments, data),) = program.calls
    assert arguments == [
        *("-i", "-f", "me@example.com", "-N", "failure,delay", "-R", "hdrs", "-V", "id 1", "--"),
        *(ANN, "-oQ/tmp@example.com", "zoe@xn--bcher-kva.example"),
    ]
    assert data == bytes(parcel.content).replace(b"\r\n", b"\n")


def test_the_null_path(tmp_path: Path) -> None:
    """A bounce has the null reverse-path."""
    program = Program(tmp_path)
    Mailer(SendmailBackend(program.path)).send(message(), envelope=Envelope("", [ANN]))
    assert program.calls[0][0][:3] == ["-i", "-f", "<>"]


@pytest.mark.parametrize("name", ["/etc/passwd", "|cat", "!sh", "-bv", "x/y", "x|y"])
def test_a_name_that_could_be_a_file_is_refused(name: str, tmp_path: Path) -> None:
    """Without a domain only plain names go to the program; it is not run otherwise."""
    program = Program(tmp_path)
    mailer = Mailer(SendmailBackend(program.path))
    with pytest.raises(ContentRefused, match="no plain name"):
        mailer.send(message(), envelope=Envelope("me@example.com", [name]))
    mailer.send(message(), envelope=Envelope("me@example.com", ["root", "web-master+x"]))
    assert len(program.calls) == 1


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(
    ("code", "error", "status"),
    [
        (75, RecipientsRefused, "deferred"),
        (69, RecipientsRefused, "deferred"),
        (1, ConnectFailed, "deferred"),
        (67, ContentRefused, "rejected"),
        (65, ContentRefused, "rejected"),
    ],
)
def test_exit_codes(
    code: int, error: type[DeliveryError], status: str, is_async: bool, tmp_path: Path
) -> None:
    """sysexits say what may be better later; what the program said is in the error."""
    program = Program(tmp_path, last=f"print('queue file\\nwrite error'); sys.exit({code})")
    mailer = Mailer(SendmailBackend(program.path))
    with pytest.raises(error, match="queue file write error") as caught:
        asyncio.run(mailer.asend(message())) if is_async else mailer.send(message())
    assert caught.value.receipt is not None
    assert caught.value.receipt.recipients[ANN].status == status
    assert caught.value.is_transient is (status == "deferred")


def test_what_the_program_says_steers_no_terminal(tmp_path: Path) -> None:
    """It may repeat what came from afar: control characters are escaped in error and receipt."""
    program = Program(
        tmp_path, last=r"sys.stdout.reconfigure(encoding='utf-8'); print('no \x1b[2J\x9b'); sys.exit(67)"
    )
    with pytest.raises(ContentRefused, match=r"no \\x1b\[2J\\x9b$") as caught:
        Mailer(SendmailBackend(program.path)).send(message())
    assert caught.value.receipt is not None
    assert str(caught.value.receipt.recipients[ANN].reason).isprintable()


def test_ended_by_a_signal_is_unknown(tmp_path: Path) -> None:
    """After the end of its input the program may have queued the mail, whatever became of it then."""
    program = Program(tmp_path, last="import os; os.kill(os.getpid(), 9)")
    with pytest.raises(OutcomeUnknown, match="ended by signal 9"):
        Mailer(SendmailBackend(program.path)).send(message())


def test_one_that_takes_too_long(tmp_path: Path) -> None:
    """One that does not end is stopped, the outcome unknown; one that does not even read has got nothing."""
    slow = Program(tmp_path, last="time.sleep(60)")
    with pytest.raises(OutcomeUnknown, match=r"did not end within 0\.5 s"):
        Mailer(SendmailBackend(slow.path, timeout=0.5)).send(message())
    deaf = tmp_path / "deaf"
    deaf.write_text("#!/bin/sh\nexec sleep 60\n")
    deaf.chmod(0o755)
    large = message().attach("a.bin", bytes(300_000))
    with pytest.raises(ConnectFailed, match=r"took no more data for 0\.3 s"):
        Mailer(SendmailBackend(deaf, timeout=0.3)).send(large)


def test_one_that_does_not_read_to_the_end(tmp_path: Path) -> None:
    """The exit code decides, though the pipe broke."""
    program = tmp_path / "sendmail"
    program.write_text("#!/bin/sh\necho no room; exit 75\n")
    program.chmod(0o755)
    large = message().attach("a.bin", bytes(300_000))
    with pytest.raises(RecipientsRefused, match="no room"):
        Mailer(SendmailBackend(program)).send(large)


def test_a_file_that_changed_sends_nothing(tmp_path: Path) -> None:
    """A content that cannot be read to its end never has its end given: the program is stopped."""
    program = Program(tmp_path)
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(2 << 20))
    parcel = message().attach_file(path).parcel()
    path.write_bytes(b"changed")
    with pytest.raises((ContentRefused, InvalidAttachment)):
        Mailer(SendmailBackend(program.path)).send(parcel)
    assert not program.calls


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    """It is named, and nothing was sent."""
    mailer = Mailer(SendmailBackend(tmp_path / "nothing"))
    with pytest.raises(ConnectFailed, match="nothing cannot be run: No such file"):
        mailer.send(message())
    with pytest.raises(ConnectFailed, match="is not there"):
        mailer.verify()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("sendmail:?timeout=soon", "timeout='soon'"),
        ("sendmail:?timeout=0", "timeout=0"),
        ("sendmail:sendmail", "must be an absolute path"),
        ("sendmail://host/usr/sbin/sendmail", "takes no host"),
        ("sendmail:?args=-t", "no option 'args'; there are dsn, timeout"),
        ("sendmail:?dsn=yes", "dsn='yes': must be on or off"),
    ],
)
def test_mistakes_in_urls_are_named(url: str, why: str) -> None:
    """Every mistake is a ConfigurationError that says what would be right."""
    with pytest.raises(ConfigurationError, match=why):
        Mailer(url)


@pytest.mark.parametrize("is_async", [False, True])
def test_wishes_for_notifications_stay_here_unless_told(is_async: bool, tmp_path: Path) -> None:
    """Without dsn=on there is no -N, which would make Exim throw the mail away; the receipt says so."""
    program = Program(tmp_path)
    mailer = Mailer(f"sendmail:{program.path}")
    letter = message().dsn(notify=["failure"], ret="full", envid="-x")
    receipt = asyncio.run(mailer.asend(letter)) if is_async else mailer.send(letter)
    assert receipt.is_complete
    assert receipt.notes == (
        "delivery-status notifications were asked for; a sendmail program is told with dsn=on only",
    )
    assert program.calls[0][0] == ["-i", "-f", "me@example.com", "--", ANN]
    assert mailer.send(message()).notes == ()


def test_required_tls_cannot_be_asked_of_a_program(tmp_path: Path) -> None:
    """REQUIRETLS is refused before the program is run: it would go on by whatever it finds."""
    program = Program(tmp_path)
    with pytest.raises(SecurityFailed, match="REQUIRETLS"):
        Mailer(SendmailBackend(program.path)).send(message().require_tls())
    assert not program.calls


@pytest.mark.parametrize(
    "name", ["`touch x`", "$HOME", "a&b", "{a}", "*", "'x", "#x", "-x", "--", "!x", "|x", "/x"]
)
def test_no_shell_reads_the_arguments(name: str, tmp_path: Path) -> None:
    """What a shell would take for its own comes to the program as it is, as one argument behind --."""
    program = Program(tmp_path)
    address = f"{name.replace(' ', '')}@example.com"
    envelope = Envelope(address, [address], dsn=DSN(envid=f"{name} ;id"))
    Mailer(SendmailBackend(program.path, dsn=True)).send(message(), envelope=envelope)
    ((arguments, _),) = program.calls
    assert arguments == ["-i", "-f", address, "-V", f"{name} ;id", "--", address]


def test_exim_takes_it(exim: Exim) -> None:
    """Exim's own sendmail delivers the mail, with wishes for notifications too, which it would take for -N."""
    program = exim.sendmail()
    with Mailer(f"sendmail:{program}") as mailer:
        assert mailer.send(message(ANN, BOB).dsn(notify=["failure", "delay"])).is_complete
    assert sorted(str(mail.recipient) for mail in exim.delivered()) == [ANN, BOB]


def test_postfix_takes_it(postfix: Postfix) -> None:
    """Postfix's own sendmail delivers the mail as it was sent."""
    with Mailer(f"sendmail:{postfix.sendmail()}") as mailer:
        parcel = mailer.parcel(message(ANN, BOB))
        assert mailer.send(parcel).is_complete
    assert [mail.content for mail in postfix.delivered()] == [bytes(parcel.content)] * 2
