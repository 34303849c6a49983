"""The capture server: what a client says is what the store holds, and nothing else is believed."""

from __future__ import annotations

import asyncio
import contextlib
import smtplib
import socket
import ssl
import threading
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from modernmail.errors import ConfigurationError
from modernmail.inbox import CapturedMail, CaptureServer, MemoryStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from services.certificates import CertificateAuthority

    from modernmail.inbox.summary import Summary

M1 = b"Subject: Hi\r\nFrom: shop@example.com\r\n\r\nHello\r\n"


class Talk:
    """A client that writes bytes and reads reply lines."""

    def __init__(self, server: CaptureServer) -> None:
        self.socket = socket.create_connection((server.host, server.port), timeout=10)
        self.file = self.socket.makefile("rb")

    def replies(self, count: int = 1) -> list[str]:
        """Read `count` whole replies; give the last line of each."""
        found = []
        while len(found) < count:
            line = self.file.readline().decode().rstrip("\r\n")
            assert line, f"closed after {found}"
            if line[3:4] != "-":
                found.append(line)
        return found

    def say(self, data: bytes, count: int = 1) -> list[str]:
        """Write `data`, then read `count` replies."""
        self.socket.sendall(data)
        return self.replies(count)


@contextlib.contextmanager
def talking(store: MemoryStore, **options: object) -> Iterator[Talk]:
    """A session with a fresh server, greeted and past EHLO."""
    with CaptureServer.threaded(store, **options) as server:
        talk = Talk(server)
        try:
            talk.replies()
            talk.say(b"EHLO client.example\r\n")
            yield talk
        finally:
            talk.file.close()
            talk.socket.close()


def test_envelope_and_bytes_are_kept_as_sent() -> None:
    """A mail sent by smtplib is in the store with its envelope, its bytes and who brought it."""
    store = MemoryStore()
    with (
        CaptureServer.threaded(store) as server,
        smtplib.SMTP(server.host, server.port, local_hostname="client.example") as client,
    ):
        client.sendmail("shop@example.com", ["zoe@example.com", "bcc@example.com"], M1)
    (mail,) = store
    assert mail.content == M1
    assert (mail.return_path, mail.recipients) == ("shop@example.com", ("zoe@example.com", "bcc@example.com"))
    assert (mail.peer, mail.helo, mail.tls, mail.user) == ("127.0.0.1", "client.example", None, None)
    assert store.get(mail.id) == mail


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b".",
        b"..\r\n.\r\n...x",
        b".\r\nx",
        b"a.\r\nb.\r\n.c\r\n\r\n.\r\n",
        b"a\n.\nb\r.\rc",
        b"\r\n",
        b"\r\n.\r\n\r\n",
        b"\xff\x00\x80 eight bits and a NUL",
        b"x" * 200_000,
        (b"y" * 70_000 + b".\r\n") * 3,
    ],
)
def test_content_arrives_to_the_byte(content: bytes) -> None:
    """Dots, bare CR and LF, 8-bit bytes and lines of any length come out as they went in."""
    stuffed = (b"\r\n" + content + b"\r\n").replace(b"\r\n.", b"\r\n..")[2:]
    store = MemoryStore()
    with talking(store) as talk:
        talk.say(b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n", 3)
        assert talk.say(stuffed + b".\r\n")[0].startswith("250 2.0.0 Ok: queued as ")
    assert [mail.content for mail in store] == [content + b"\r\n"]


def test_empty_content_is_a_mail() -> None:
    """A lone dot straight after DATA is a mail of no octets."""
    store = MemoryStore()
    with talking(store) as talk:
        talk.say(b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n", 3)
        talk.say(b".\r\n")
    assert [mail.content for mail in store] == [b""]


def test_bare_line_feeds_do_not_end_the_content() -> None:
    """LF.LF cannot smuggle a second mail in: only CRLF.CRLF ends the content."""
    store = MemoryStore()
    with talking(store) as talk:
        talk.say(b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n", 3)
        talk.say(b"one\n.\nMAIL FROM:<evil@example.com>\r\n.\r\n")
    (mail,) = store
    assert mail.return_path == "a@example.com"
    assert b"evil" in mail.content


def test_a_whole_session_in_one_write() -> None:
    """PIPELINING is offered, and a session of two mails sent at once is answered in order."""
    store = MemoryStore()
    with CaptureServer.threaded(store) as server:
        talk = Talk(server)
        group = b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n"
        replies = talk.say(b"EHLO c\r\n" + (group + M1 + b".\r\n") * 2 + b"QUIT\r\n", 11)
        assert " ".join(reply[:3] for reply in replies) == "220 250 250 250 354 250 250 250 354 250 221"
        talk.file.close()
        talk.socket.close()
    assert [mail.content for mail in store] == [M1, M1]


def test_extensions_are_those_that_work() -> None:
    """EHLO names PIPELINING, SIZE, 8BITMIME, SMTPUTF8 and DSN; no AUTH and no STARTTLS that are not there."""
    with (
        CaptureServer.threaded(MemoryStore(), max_size=1000) as server,
        smtplib.SMTP(server.host, server.port) as client,
    ):
        client.ehlo()
        names = set(client.esmtp_features)
    assert names == {"pipelining", "size", "8bitmime", "smtputf8", "dsn", "help"}
    assert client.esmtp_features["size"] == "1000"


@pytest.mark.parametrize(
    ("command", "path", "options"),
    [
        (b"MAIL FROM:<>", "", ()),
        (b"mail from:<A@Example.COM> size=10", "A@Example.COM", ("size=10",)),
        (rb'MAIL FROM:<"a \">b"@example.com>', r'"a \">b"@example.com', ()),
        (b"MAIL FROM: <a@[127.0.0.1]>", "a@[127.0.0.1]", ()),
        (
            b"MAIL FROM:<a@example.com> RET=HDRS ENVID=aB+3D BODY=8BITMIME",
            "a@example.com",
            ("RET=HDRS", "ENVID=aB+3D", "BODY=8BITMIME"),
        ),
        ("MAIL FROM:<zoë@bücher.example> SMTPUTF8".encode(), "zoë@bücher.example", ("SMTPUTF8",)),
    ],
)
def test_paths_are_kept_letter_for_letter(command: bytes, path: str, options: tuple[str, ...]) -> None:
    """The reverse-path and its parameters are stored as written, quotes and case included."""
    store = MemoryStore()
    with talking(store) as talk:
        recipient = b"\r\nRCPT TO:<b@example.com> NOTIFY=NEVER\r\nDATA\r\n"
        assert talk.say(command + recipient, 3)[-1][:3] == "354"
        talk.say(b".\r\n")
    (mail,) = store
    assert (mail.return_path, mail.options) == (path, options)
    assert mail.recipient_options == (("NOTIFY=NEVER",),)


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        (b"MAIL", "501 5.5.4"),
        (b"MAIL TO:<a@example.com>", "501 5.5.4"),
        (b"MAIL FROM:a@example.com", "501 5.5.4"),
        (b"MAIL FROM:<a@example.com", "501 5.5.4"),
        (b"MAIL FROM:<a@example.com>SIZE=1", "501 5.5.4"),
        (b"MAIL FROM:<a\x01@example.com>", "501 5.5.4"),
        (b"MAIL FROM:<a@example.com> COLOUR=red", "555 5.5.4"),
        (b"MAIL FROM:<a@example.com> SIZE=99999999999", "552 5.3.4"),
        ("MAIL FROM:<zoë@example.com>".encode(), "553 5.6.7"),
        (b"MAIL FROM:<\xff@example.com> SMTPUTF8", "501 5.1.3"),
        (b"MAIL FROM:<a@example.com> BODY=\xff", "501 5.5.4"),
        (b"RCPT TO:<b@example.com>", "503 5.5.1"),
        (b"DATA", "503 5.5.1"),
    ],
)
def test_bad_commands_are_named(command: bytes, reply: str) -> None:
    """A command that is out of order or malformed gets its 5xx, and the session goes on."""
    with talking(MemoryStore()) as talk:
        assert talk.say(command + b"\r\n")[0].startswith(reply)
        assert talk.say(b"MAIL FROM:<a@example.com>\r\n")[0][:3] == "250"


def test_resets_forget_the_mail() -> None:
    """RSET and a second EHLO end a mail under way, so the next MAIL is taken; a second MAIL alone is not."""
    with talking(MemoryStore()) as talk:
        mail = b"MAIL FROM:<a@example.com>\r\n"
        assert [reply[:3] for reply in talk.say(mail + mail, 2)] == ["250", "503"]
        assert [reply[:3] for reply in talk.say(b"RSET\r\n" + mail, 2)] == ["250", "250"]
        assert [reply[:3] for reply in talk.say(b"EHLO again\r\n" + mail, 2)] == ["250", "250"]
        assert [reply[:3] for reply in talk.say(b"RCPT TO:<>\r\nDATA\r\nDATA now\r\n", 3)] == [
            "501",
            "503",
            "501",
        ]


def test_refused_recipients() -> None:
    """A set or a callable turns recipients away, with its own reply if it likes; the others get the mail."""
    store = MemoryStore()

    def refuse(recipient: str) -> bool | str:
        return "451 4.7.1 later" if recipient.startswith("late") else recipient.startswith("no")

    with (
        CaptureServer.threaded(store, refuse=refuse) as server,
        smtplib.SMTP(server.host, server.port) as client,
    ):
        refused = client.sendmail(
            "a@example.com", ["no@example.com", "yes@example.com", "late@example.com"], M1
        )
    assert {address: code for address, (code, _) in refused.items()} == {
        "no@example.com": 550,
        "late@example.com": 451,
    }
    with (
        CaptureServer.threaded(store, refuse={"no@example.com"}) as server,
        smtplib.SMTP(server.host, server.port) as client,
        pytest.raises(smtplib.SMTPRecipientsRefused, match=r"5\.1\.1 <no@example\.com>"),
    ):
        client.sendmail("a@example.com", ["no@example.com"], M1)
    assert [mail.recipients for mail in store] == [("yes@example.com",)]


def test_limits() -> None:
    """Too many recipients get 452, too much content 552, and the session goes on either way."""
    store = MemoryStore()
    with talking(store, max_recipients=1, max_size=20) as talk:
        rcpt = b"RCPT TO:<b@example.com>\r\n"
        replies = talk.say(b"MAIL FROM:<a@example.com>\r\n" + rcpt + rcpt + b"DATA\r\n", 4)
        assert [reply[:3] for reply in replies] == ["250", "250", "452", "354"]
        assert talk.say(b"x" * 19 + b"\r\n.\r\n")[0].startswith("552 5.3.4")
        talk.say(b"MAIL FROM:<a@example.com>\r\n" + rcpt + b"DATA\r\n", 3)
        assert talk.say(b"x" * 18 + b"\r\n.\r\n")[0][:3] == "250"
    assert [mail.size for mail in store] == [20]


def test_what_is_on_its_way_has_a_limit() -> None:
    """Mails that come at once and are too much together: the one that found no room gets 452, and may come again."""
    store = MemoryStore()
    begin = b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n"
    with talking(store, max_size=100_000, max_incoming=100_000) as first:
        host, port = first.socket.getpeername()
        first.say(begin, 3)
        first.socket.sendall(b"x" * 64_000 + b".\r\n")
        with smtplib.SMTP(host, port) as second:
            second.ehlo()
            message = "y" * 60_000 + "\r\n"
            for _ in range(200):  # until the first mail is really on its way
                with contextlib.suppress(smtplib.SMTPDataError):
                    second.sendmail("a@example.com", ["b@example.com"], message)
                    continue
                break
            with pytest.raises(smtplib.SMTPDataError) as refused:
                second.sendmail("a@example.com", ["b@example.com"], message)
            assert refused.value.smtp_code == 452
            taken = len(store)
            assert first.say(b"\r\n.\r\n")[0].startswith("250 2.0.0")
            second.sendmail("a@example.com", ["b@example.com"], message)
    assert len(store) == taken + 2


def test_short_lines_cost_what_they_are() -> None:
    """Content in lines of one octet takes no more memory than in long ones: its size a few times, not fifty times."""
    content = b"Subject: x\r\n\r\n" + b"x.\r\n" * 80_000
    store = MemoryStore()
    with talking(store) as talk:
        talk.say(b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n", 3)
        tracemalloc.start()
        try:
            for start in range(0, len(content), 50_000):
                talk.socket.sendall(content[start : start + 50_000])
            talk.say(b".\r\n")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert [mail.size for mail in store] == [len(content)]
    assert peak < 8 * len(content)


@pytest.mark.parametrize(
    "request_line",
    [b"POST / HTTP/1.1", b"GET / HTTP/1.1", b"OPTIONS / HTTP/1.1", b"EHLO / HTTP/1.1", b"post /x HTTP/1.0"],
)
def test_a_page_of_the_web_cannot_send(request_line: bytes) -> None:
    """Commands in the body of a request of HTTP, which any page can have a browser post, put nothing into the inbox."""
    mail = b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n" + M1 + b".\r\nQUIT\r\n"
    store = MemoryStore()
    with CaptureServer.threaded(store) as server:
        with socket.create_connection((server.host, server.port), timeout=10) as client:
            head = b"\r\nHost: 127.0.0.1:1025\r\nContent-Type: text/plain\r\n\r\n"
            client.sendall(request_line + head + b"EHLO x\r\n" + mail)
            answer = b""
            with contextlib.suppress(ConnectionResetError):
                while piece := client.recv(4096):
                    answer += piece
        assert b"421 4.7.0 This is SMTP" in answer
        assert b"354" not in answer
        with smtplib.SMTP(server.host, server.port) as sender:
            sender.sendmail("a@example.com", ["b@example.com"], M1)
    assert len(store) == 1


def test_too_many_connections() -> None:
    """A connection over the limit is told 421 and closed; the others stay."""
    with talking(MemoryStore(), max_connections=1) as talk:
        host, port = talk.socket.getpeername()
        with socket.create_connection((host, port), timeout=10) as second:
            second.sendall(b"EHLO x\r\n")
            assert second.makefile("rb").readline() == b"421 4.3.2 Too many connections\r\n"
        assert talk.say(b"NOOP\r\n")[0][:3] == "250"


def test_a_full_disk_is_452_and_the_session_goes_on() -> None:
    """When the store cannot keep a mail the client hears 452, and the next mail is taken."""

    class FullOnce(MemoryStore):
        failed = False

        def add(self, mail: CapturedMail) -> None:
            if not self.failed:
                self.failed = True
                raise OSError(28, "No space left on device")
            super().add(mail)

    store = FullOnce()
    with talking(store) as talk:
        group = b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n" + M1 + b".\r\n"
        assert talk.say(group, 4)[-1].startswith("452 4.3.1")
        assert talk.say(group, 4)[-1].startswith("250 2.0.0")
    assert len(store) == 1


def test_a_fault_of_ours_is_451(caplog: pytest.LogCaptureFixture) -> None:
    """A store that fails otherwise gives 451 and a log record; nothing of the fault reaches the client."""

    class Broken(MemoryStore):
        def add(self, mail: CapturedMail) -> None:
            raise ValueError("secret detail")

    with talking(Broken()) as talk:
        group = b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n" + M1 + b".\r\n"
        assert talk.say(group, 4)[-1] == "451 4.3.0 Internal error, nothing was kept"
        assert (
            talk.say(group, 4)[-1] == "451 4.3.0 Internal error, nothing was kept"
        )  # and the session goes on
    assert "failed in a session" in caplog.text


def test_a_large_mail_is_read_beside_the_loop() -> None:
    """A small mail is kept at once; a large one in a thread, so that nobody else waits for it."""
    threads: list[str] = []

    class Told(MemoryStore):
        def add(self, mail: CapturedMail) -> Summary:
            threads.append(threading.current_thread().name)
            return super().add(mail)

    with Told() as store, talking(store) as talk:
        head = b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n"
        for content in (M1, b"x" * 70 + b"\r\n", (b"x" * 70 + b"\r\n") * 5_000):
            assert talk.say(head + content + b".\r\n", 4)[-1].startswith("250 2.0.0")
    assert [name == "modernmail-capture" for name in threads] == [True, True, False]


def test_a_connection_lost_in_content_keeps_nothing() -> None:
    """Half a mail is no mail."""
    store = MemoryStore()
    with talking(store) as talk:
        talk.say(b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n", 3)
        talk.socket.sendall(b"Subject: half")
    assert len(store) == 0


def test_other_addresses_need_credentials() -> None:
    """Listening where others can reach it takes a user and a password, and says so."""
    with pytest.raises(ConfigurationError, match=r"'0\.0\.0\.0' can be reached from outside"):
        CaptureServer(MemoryStore(), "0.0.0.0")
    with pytest.raises(ConfigurationError, match="no tls context"):
        CaptureServer(MemoryStore(), require_tls=True)


def test_credentials_are_demanded_and_checked() -> None:
    """With credentials, mail before AUTH is 530, a wrong password 535, and the user is kept with the mail."""
    store = MemoryStore()
    with CaptureServer.threaded(store, credentials={"zoe": "right"}) as server:
        with smtplib.SMTP(server.host, server.port) as client:
            client.ehlo()
            assert client.esmtp_features["auth"].split() == ["LOGIN", "PLAIN"]
            assert client.mail("a@example.com")[0] == 530
            with pytest.raises(smtplib.SMTPAuthenticationError):
                client.login("zoe", "wrong")
        with smtplib.SMTP(server.host, server.port) as client:
            client.login("zoe", "right")
            client.sendmail("a@example.com", ["b@example.com"], M1)
    assert [mail.user for mail in store] == ["zoe"]


def test_credentials_by_callable() -> None:
    """A callable decides who may send."""
    with CaptureServer.threaded(MemoryStore(), credentials=lambda user, password: user == "any") as server:
        with smtplib.SMTP(server.host, server.port) as client:
            assert client.login("any", "thing")[0] == 235
        with smtplib.SMTP(server.host, server.port) as client, pytest.raises(smtplib.SMTPAuthenticationError):
            client.login("other", "thing")


def test_under_a_loop() -> None:
    """`async with` runs the server on the caller's loop and ends open sessions when it closes."""

    async def main() -> list[CapturedMail]:
        store = MemoryStore()
        async with CaptureServer(store) as server:
            assert server.url == f"smtp://127.0.0.1:{server.port}"
            reader, writer = await asyncio.open_connection(server.host, server.port)
            group = b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n"
            writer.write(b"EHLO c\r\n" + group + M1 + b".\r\n")
            while b"queued as" not in await reader.readline():
                pass
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
        return list(store)

    assert [mail.content for mail in asyncio.run(main())] == [M1]


def test_a_taken_port_is_named() -> None:
    """A port in use is a ConfigurationError that names it, threaded or not, and no thread stays behind."""
    before = threading.active_count()
    with (
        CaptureServer.threaded(MemoryStore()) as server,
        pytest.raises(ConfigurationError, match=f"cannot listen on 127.0.0.1:{server.port}"),
        CaptureServer.threaded(MemoryStore(), port=server.port),
    ):
        pytest.fail("two servers on one port")
    assert threading.active_count() == before


def test_ids_sort_by_time() -> None:
    """A later mail has a greater id."""
    store = MemoryStore()
    for number in range(3):
        store.add(CapturedMail("", ("b@example.com",), b"%d" % number))
    ids = [mail.id for mail in store]
    assert len(set(ids)) == 3
    assert [mail_id[:8] for mail_id in ids] == sorted(mail_id[:8] for mail_id in ids)


def test_starttls(certificate_authority: CertificateAuthority) -> None:
    """STARTTLS is offered and kept with the mail; what was said before it counts no more; a login waits for it."""
    store = MemoryStore()
    trusted = ssl.create_default_context(cafile=certificate_authority.ca_file)
    options = {
        "tls": certificate_authority.issue().context(),
        "require_tls": True,
        "credentials": {"zoe": "right"},
    }
    with CaptureServer.threaded(store, **options) as server, smtplib.SMTP(server.host, server.port) as client:
        client.ehlo()
        assert "starttls" in client.esmtp_features
        assert "auth" not in client.esmtp_features
        assert client.mail("a@example.com")[0] == 530
        client.starttls(context=trusted)
        client.ehlo()
        assert "starttls" not in client.esmtp_features
        assert client.mail("a@example.com")[0] == 530
        assert client.rcpt("b@example.com")[0] == 530
        assert client.docmd("DATA")[0] == 530
        client.login("zoe", "right")
        client.sendmail("a@example.com", ["b@example.com"], M1)
    (mail,) = store
    assert mail.tls is not None
    assert mail.tls.startswith("TLSv1.")
    assert mail.user == "zoe"


def test_tls_from_the_first_octet(certificate_authority: CertificateAuthority) -> None:
    """As on port 465: no STARTTLS, a login at once, and the TLS is kept with the mail."""
    store = MemoryStore()
    trusted = ssl.create_default_context(cafile=certificate_authority.ca_file)
    options = {
        "tls": certificate_authority.issue().context(),
        "implicit_tls": True,
        "credentials": {"zoe": "right"},
    }
    with CaptureServer.threaded(store, **options) as server:
        assert server.url == f"smtps://127.0.0.1:{server.port}"
        with smtplib.SMTP_SSL(server.host, server.port, context=trusted) as client:
            client.ehlo()
            assert "starttls" not in client.esmtp_features
            client.login("zoe", "right")
            client.sendmail("a@example.com", ["b@example.com"], M1)
        with socket.create_connection((server.host, server.port), timeout=10) as plain:
            plain.sendall(b"EHLO x\r\n")
            assert b"220" not in plain.recv(100)
    (mail,) = store
    assert mail.tls is not None
    assert mail.tls.startswith("TLSv1.")
    with pytest.raises(ConfigurationError, match="implicit_tls: there is no tls context"):
        CaptureServer(store, implicit_tls=True)


def test_a_mail_begun_before_starttls_is_forgotten(certificate_authority: CertificateAuthority) -> None:
    """A transaction does not survive STARTTLS."""
    trusted = ssl.create_default_context(cafile=certificate_authority.ca_file)
    context = certificate_authority.issue().context()
    with (
        CaptureServer.threaded(MemoryStore(), tls=context) as server,
        smtplib.SMTP(server.host, server.port) as client,
    ):
        client.ehlo()
        assert client.mail("a@example.com")[0] == 250
        client.starttls(context=trusted)
        client.ehlo()
        assert client.rcpt("b@example.com")[0] == 503


def test_helo_and_unknown_commands() -> None:
    """HELO greets and resets; an unknown command is 500 and the session goes on."""
    with talking(MemoryStore()) as talk:
        talk.say(b"MAIL FROM:<a@example.com>\r\n")
        assert talk.say(b"HELO old.example\r\nRCPT TO:<b@example.com>\r\n", 2)[1].startswith("503")
        assert talk.say(b"HELLO\r\n")[0].startswith("500")
        assert talk.say(b"MAIL FROM:<a@example.com>\r\n")[0][:3] == "250"


@pytest.mark.parametrize("greeting", [b"EHLO", b"HELO"])
def test_a_greeting_that_is_no_text(greeting: bytes) -> None:
    """A host that names itself in octets of its own is let in, and its mail can be kept and shown as JSON."""
    with MemoryStore() as store, talking(store) as talk:
        talk.say(greeting + b" b\xfccher.example\r\n")
        talk.say(b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n", 3)
        assert talk.say(b"Subject: x\r\n\r\n.\r\n")[0][:3] == "250"
        (mail,) = store
        assert mail.helo == "b\ufffdcher.example"


def test_the_address_of_a_server() -> None:
    """`localhost` is 127.0.0.1, IPv6 stands in brackets, and closing what never ran does nothing."""
    assert CaptureServer(MemoryStore(), "localhost", 25).url == "smtp://127.0.0.1:25"
    assert CaptureServer(MemoryStore(), "::1", 25).url == "smtp://[::1]:25"
    asyncio.run(CaptureServer(MemoryStore()).aclose())
    assert not CaptureServer(MemoryStore()).knows("anybody", "")


def test_without_the_extra_the_server_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without aiosmtpd, starting names the extra."""
    import sys

    monkeypatch.setitem(sys.modules, "aiosmtpd.smtp", None)
    for name in ("protocol", "transaction"):
        monkeypatch.delitem(sys.modules, f"modernmail.inbox.{name}", raising=False)
    with (
        pytest.raises(ConfigurationError, match=r"needs aiosmtpd.*pip install 'modernmail\[inbox\]'"),
        CaptureServer.threaded(MemoryStore()),
    ):
        pytest.fail("it started")


def test_the_pages_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Starlette, the inbox names the extra, whatever was imported before."""
    import sys

    from modernmail.inbox import InboxServer
    from modernmail.inbox.web import (
        app,
    )  # from then on an attribute of its package, which an import may look at

    monkeypatch.setitem(sys.modules, app.__name__, None)
    with (
        pytest.raises(ConfigurationError, match=r"pip install 'modernmail\[inbox\]'"),
        InboxServer.threaded(),
    ):
        pytest.fail("it started")


def test_silence_ends_a_session() -> None:
    """A client that says nothing for as long as the time-out is disconnected; one that talks is not."""
    with CaptureServer.threaded(MemoryStore(), timeout=0.3) as server:
        talk = Talk(server)
        talk.replies()
        for _ in range(8):
            assert talk.say(b"NOOP\r\n")[0][:3] == "250"
            threading.Event().wait(0.05)
        assert talk.file.readline() == b""
        talk.file.close()
        talk.socket.close()
