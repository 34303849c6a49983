"""ScriptedSMTPServer, tried with raw sockets and smtplib: what it says, what it does, what it remembers."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import smtplib
import socket
import ssl
import threading

import pytest

from modernmail.errors import ConfigurationError, InvalidValue
from modernmail.testing import Rule, ScriptedSMTPServer

MAIL = b"MAIL FROM:<me@example.com>\r\n"
RCPT = b"RCPT TO:<you@example.com>\r\n"


class Peer:
    """A client that says what it is told, and reads replies."""

    def __init__(self, server: ScriptedSMTPServer, *, greeted: bool = True) -> None:
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        self.file = self.socket.makefile("rb")
        if greeted:
            self.reply()
            self.ask(b"EHLO peer.test\r\n")

    def say(self, data: bytes) -> None:
        """Send `data`."""
        self.socket.sendall(data)

    def reply(self) -> bytes:
        """Return the next reply, all its lines."""
        lines = []
        while True:
            line = self.file.readline()
            lines.append(line)
            if line[3:4] != b"-":
                return b"".join(lines)

    def ask(self, data: bytes) -> bytes:
        """Send `data` and return the next reply."""
        self.say(data)
        return self.reply()

    def codes(self, data: bytes, count: int) -> list[int]:
        """Send `data` and return the codes of the next `count` replies."""
        self.say(data)
        return [int(self.reply()[:3]) for _ in range(count)]

    def close(self) -> None:
        """Close the connection."""
        self.file.close()
        self.socket.close()


@contextlib.contextmanager
def talking(*script: Rule, greeted: bool = True, **options: object):
    """Yield a server and a client that is connected to it."""
    with ScriptedSMTPServer(script, **options) as server:
        peer = Peer(server, greeted=greeted)
        try:
            yield server, peer
        finally:
            peer.close()


# -- a good server


def test_a_mail_sent_by_smtplib_is_committed_with_its_envelope_and_content():
    """smtplib's mail arrives unchanged, in the log of commits and in the session."""
    with ScriptedSMTPServer() as server, smtplib.SMTP("127.0.0.1", server.port) as client:
        client.sendmail(
            "me@example.com", ["a@example.com", "b@example.com"], b"Subject: x\r\n\r\n.dot\r\n..\r\n"
        )
        (commit,) = server.commits
        assert (commit.session, commit.sender) == (1, "me@example.com")
        assert commit.recipients == ("a@example.com", "b@example.com")
        assert commit.content == b"Subject: x\r\n\r\n.dot\r\n..\r\n"
        (transaction,) = server.sessions[0].transactions
        assert transaction.raw == b"Subject: x\r\n\r\n..dot\r\n...\r\n"
        assert transaction.complete
        assert transaction.committed


def test_it_says_quit_eof_or_reset_as_the_client_left():
    """The end of a session tells how the client left it."""
    with ScriptedSMTPServer() as server:
        peer = Peer(server)
        peer.ask(b"QUIT\r\n")
        peer.close()
        Peer(server).close()
        peer = Peer(server)
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        peer.close()
        server.wait_until_idle()
        assert [session.end for session in server.sessions] == ["quit", "eof", "reset"]


def test_pipelined_commands_are_answered_in_order():
    """A whole group in one write gets its replies one by one, and no fault is found in it."""
    with talking() as (server, peer):
        assert peer.codes(MAIL + RCPT + RCPT + b"DATA\r\n", 4) == [250, 250, 250, 354]
        assert peer.codes(b"hello\r\n.\r\n" + MAIL + RCPT + b"DATA\r\n", 4) == [250, 250, 250, 354]
        assert peer.codes(b".\r\nQUIT\r\n", 2) == [250, 221]
        assert [commit.content for commit in server.commits] == [b"hello\r\n", b""]
        assert server.sessions[0].violations == []


@pytest.mark.parametrize("cut", range(1, 23))
def test_the_final_dot_is_found_wherever_the_content_is_cut(cut):
    """Content that comes in two writes is the same content, wherever it is cut."""
    raw = b"a\r\n..\r\n.. b\r\n...\r\n\r\n.\r\n"
    with talking() as (server, peer):
        peer.codes(MAIL + RCPT + b"DATA\r\n", 3)
        peer.say(raw[:cut])
        assert peer.codes(raw[cut:], 1) == [250]
        assert server.commits[0].content == b"a\r\n.\r\n. b\r\n..\r\n\r\n"


def test_a_bare_line_feed_ends_no_content_and_is_noted():
    """Only CRLF.CRLF ends the content; bare LF is a violation, not an end."""
    with talking() as (server, peer):
        peer.codes(MAIL + RCPT + b"DATA\r\n", 3)
        assert peer.codes(b"a\n.\nMAIL FROM:<evil@example.com>\r\n.\r\n", 1) == [250]
        assert len(server.commits) == 1
        assert "content: a bare CR or LF" in server.sessions[0].violations


def test_bdat_chunks_make_one_mail_without_dot_stuffing():
    """BDAT data is taken by count, pipelined too, and kept as sent."""
    with talking(capabilities=["PIPELINING", "CHUNKING"]) as (server, peer):
        group = MAIL + RCPT + b"BDAT 5\r\n.\r\n.\rBDAT 6 LAST\r\n\n..\r\n\0"
        assert peer.codes(group, 4) == [250, 250, 250, 250]
        assert server.commits[0].content == b".\r\n.\r\n..\r\n\0"
        assert server.sessions[0].transactions[0].chunked


def test_bdat_is_refused_unless_chunking_is_offered_and_its_data_is_not_read_as_commands():
    """A refused chunk's octets are still its own (RFC 3030)."""
    with talking() as (server, peer):
        assert peer.codes(MAIL + RCPT + b"BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n", 4) == [250, 250, 502, 250]
        assert server.commits == []


@pytest.mark.parametrize(
    ("commands", "codes"),
    [
        ([b"MAIL FROM:<a@b>\r\n", MAIL], [250, 503]),
        ([RCPT], [503]),
        ([b"DATA\r\n"], [503]),
        ([MAIL, b"DATA\r\n"], [250, 554]),
        ([b"MAIL FROM: a@b\r\n"], [501]),
        ([b"MAIL FROM:<>\r\n", b"RCPT TO:<>\r\n"], [250, 501]),
        ([b"MAIL FROM:<a@b> SIZE=999\r\n"], [250]),
        ([b"MAIL FROM:<a@b> SIZE=1001\r\n"], [552]),
        ([b"MAIL FROM:<a@b> RET=HDRS\r\n"], [555]),
        ([b"MAIL FROM:<a@b> BODY=BINARYMIME\r\n"], [501]),
        ([b"MAIL FROM:<\xc3\xa9@b>\r\n"], [553]),
        ([b"MAIL FROM:<\xc3\xa9@b> SMTPUTF8\r\n", b"RCPT TO:<\xc3\xa9@b>\r\n"], [250, 250]),
        ([MAIL, b"RCPT TO:<\xc3\xa9@b>\r\n"], [250, 553]),
        ([MAIL, b"RCPT TO:<a@b> NOTIFY=NEVER\r\n"], [250, 555]),
        ([MAIL, b"RSET\r\n", MAIL], [250, 250, 250]),
        ([MAIL, b'RCPT TO:<"a> b"@c>\r\n'], [250, 250]),
        ([b"STARTTLS\r\n", b"AUTH PLAIN\r\n", b"WHAT\r\n", b"\r\n"], [502, 503, 500, 500]),
        ([b"NOOP\r\n", b"VRFY a\r\n", b"HELP\r\n", b"HELO x\r\n", b"EHLO\r\n"], [250, 252, 214, 250, 501]),
    ],
)
def test_commands_get_the_answers_of_a_good_server(commands, codes):
    """Order, syntax and parameters are judged as RFC 5321 and the offered extensions say."""
    with talking(capabilities=["PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE 1000"]) as (_, peer):
        assert [peer.codes(command, 1)[0] for command in commands] == codes


def test_mail_before_ehlo_is_refused():
    """A client that did not greet gets no transaction."""
    with talking(greeted=False) as (_, peer):
        peer.reply()
        assert peer.codes(MAIL, 1) == [503]


def test_size_holds_for_the_content_too():
    """Content over SIZE is refused, though MAIL did not declare it."""
    with talking(capabilities=["SIZE 10"]) as (server, peer):
        assert [peer.codes(line, 1)[0] for line in (MAIL, RCPT, b"DATA\r\n")] == [250, 250, 354]
        assert peer.codes(b"0123456789\r\n.\r\n", 1) == [552]
        assert server.commits == []


def test_what_a_strict_server_would_mind_is_noted():
    """Bare LF, control characters, pipelining that was not offered, and a group that goes on behind DATA."""
    with talking(capabilities=[]) as (server, peer):
        peer.ask(b"NOOP\n")
        peer.ask(b"NOOP a\tb\r\n")
        peer.codes(MAIL + RCPT, 2)
        peer.codes(b"DATA\r\n\xe9\0" + b"x" * 999 + b"\r\n.\r\n", 2)
        assert server.sessions[0].violations == [
            "NOOP: a line end that is not CRLF",
            "NOOP: a control character",
            "MAIL: a command behind it, and PIPELINING was not offered",
            "DATA: a command behind it, and PIPELINING was not offered",
            "DATA: not the last of its group",
            "content: NUL",
            "content: 8-bit, and MAIL did not say so",
            "content: a line over 998 octets",
        ]


# -- AUTH and TLS


def _words(*parts: str) -> str:
    return base64.b64encode("\0".join(parts).encode()).decode()


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
@pytest.mark.parametrize("secret", ["right", "wrong"])
def test_smtplib_logs_in_with_the_right_secret_only(mechanism, secret):
    """The three mechanisms smtplib knows let the right password in and no other."""
    with (
        ScriptedSMTPServer(credentials={"user": "right"}, mechanisms=[mechanism]) as server,
        smtplib.SMTP("127.0.0.1", server.port) as client,
    ):
        if secret == "right":
            client.login("user", secret)
            assert server.sessions[0].user == "user"
        else:
            with pytest.raises(smtplib.SMTPAuthenticationError):
                client.login("user", secret)
            assert server.sessions[0].user is None


@pytest.mark.parametrize(
    ("lines", "codes"),
    [
        (["AUTH PLAIN " + _words("", "user", "right")], [235]),
        (["AUTH PLAIN", _words("user", "user", "right")], [334, 235]),
        (["AUTH PLAIN " + _words("other", "user", "right")], [535]),
        (["AUTH PLAIN " + _words("", "nobody", "right")], [535]),
        (["AUTH PLAIN ====="], [501]),
        (["AUTH PLAIN", "*"], [334, 501]),
        (["AUTH PLAIN ="], [535]),
        (["AUTH LOGIN " + _words("user"), _words("right")], [334, 235]),
        (["AUTH LOGIN", _words("user"), "!"], [334, 334, 501]),
        (["AUTH CRAM-MD5 " + _words("user")], [535]),
        (["AUTH CRAM-MD5", _words("nobody 00")], [334, 535]),
        (["AUTH XOAUTH2 " + _words("user=user\x01auth=Bearer right\x01\x01")], [235]),
        (["AUTH XOAUTH2 " + _words("user=user\x01auth=Bearer wrong\x01\x01"), ""], [334, 535]),
        (["AUTH OAUTHBEARER " + _words("n,a=user,\x01auth=Bearer right\x01\x01")], [235]),
        (["AUTH OAUTHBEARER", _words("n,a=u=2Cr,\x01auth=Bearer wrong\x01\x01"), "AQ=="], [334, 334, 535]),
        (["AUTH GSSAPI"], [504]),
        (["AUTH PLAIN " + _words("", "user", "right"), "AUTH PLAIN"], [235, 503]),
    ],
)
def test_each_mechanism_is_spoken_as_its_rfc_says(lines, codes):
    """Initial responses, challenges, cancelling, bad base64 and wrong secrets get their codes."""
    mechanisms = ["PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2", "OAUTHBEARER"]
    with talking(credentials={"user": "right"}, mechanisms=mechanisms) as (_, peer):
        assert [peer.codes(line.encode() + b"\r\n", 1)[0] for line in lines] == codes


def test_cram_md5_checks_the_digest_of_its_challenge():
    """A digest made with the secret is let in."""
    with talking(credentials={"user": "right"}, mechanisms=["cram-md5"]) as (server, peer):
        challenge = base64.b64decode(peer.ask(b"AUTH CRAM-MD5\r\n")[4:])
        digest = hmac.new(b"right", challenge, hashlib.md5).hexdigest()
        assert peer.codes(base64.b64encode(f"user {digest}".encode()) + b"\r\n", 1) == [235]
        assert server.sessions[0].user == "user"


def test_mail_waits_for_tls_and_auth_when_they_are_required():
    """require_tls and require_auth refuse MAIL until they are met."""
    with talking(tls="starttls", require_tls=True) as (_, peer):
        assert peer.codes(MAIL, 1) == [530]
    with talking(credentials={"user": "right"}, require_auth=True) as (_, peer):
        assert peer.codes(MAIL, 1) == [530]


def _trusting(server: ScriptedSMTPServer) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=server.ca_file)


def test_starttls_begins_anew_and_each_command_knows_its_tls_state():
    """After STARTTLS the session is encrypted, must greet again, and REQUIRETLS is offered."""
    with (
        ScriptedSMTPServer(tls="starttls", capabilities=["REQUIRETLS"], credentials={"u": "p"}) as server,
        smtplib.SMTP("localhost", server.port) as client,
    ):
        client.ehlo()
        assert client.has_extn("starttls")
        assert not client.has_extn("requiretls")
        client.starttls(context=_trusting(server))
        assert client.docmd("MAIL FROM:<a@b>")[0] == 503
        client.ehlo()
        assert not client.has_extn("starttls")
        assert client.has_extn("requiretls")
        assert client.docmd("STARTTLS")[0] == 503
        client.login("u", "p")
        assert client.docmd("MAIL FROM:<a@b> REQUIRETLS")[0] == 250
        assert server.sessions[0].tls == "TLSv1.3"
        assert not server.sessions[0].step("EHLO").tls
        assert server.sessions[0].step("AUTH").tls


def test_implicit_tls_delivers_a_mail():
    """An implicit-TLS server speaks to SMTP_SSL, and ends in an orderly way."""
    with ScriptedSMTPServer(tls="implicit") as server:
        with smtplib.SMTP_SSL("127.0.0.1", server.port, context=_trusting(server)) as client:
            client.sendmail("a@b", ["c@d"], "x" * 200_000)
        server.wait_until_idle()
        assert len(server.commits[0].content) == 200_002
        assert server.sessions[0].end == "quit"


@pytest.mark.parametrize("kind", ["untrusted", "self-signed", "expired", "not-yet-valid", "wrong-host"])
def test_each_bad_certificate_is_refused_by_a_client_that_verifies(kind):
    """A verifying client leaves, and the server notes why; the trusted one is fine (other tests)."""
    with ScriptedSMTPServer(tls="implicit", certificate=kind) as server:
        with pytest.raises(ssl.SSLCertVerificationError):
            smtplib.SMTP_SSL("127.0.0.1", server.port, context=_trusting(server))
        server.wait_until_idle()
        assert server.sessions[0].end in {"tls", "reset"}
        assert server.commits == []


def test_certificates_can_be_files_of_your_own(tmp_path):
    """A (certificate, key) pair of paths is shown, and is then the CA file."""
    from modernmail.testing.scripted import Authority

    issued = Authority().issue("self-signed")
    (tmp_path / "c.pem").write_bytes(issued.certificate)
    (tmp_path / "k.pem").write_bytes(issued.key)
    pair = (tmp_path / "c.pem", tmp_path / "k.pem")
    with (
        ScriptedSMTPServer(tls="implicit", certificate=pair) as server,
        smtplib.SMTP_SSL("localhost", server.port, context=_trusting(server)) as client,
    ):
        assert client.noop()[0] == 250


def test_plaintext_behind_starttls_is_thrown_away():
    """Commands smuggled in clear behind STARTTLS are not obeyed (RFC 3207), but remembered."""
    with talking(tls="starttls") as (server, peer):
        assert peer.ask(b"STARTTLS\r\nRSET\r\n").startswith(b"220")
        with _trusting(server).wrap_socket(peer.socket, server_hostname="localhost") as wrapped:
            wrapped.sendall(b"NOOP\r\n")
            assert wrapped.recv(100).startswith(b"250")
        assert server.sessions[0].discarded == b"RSET\r\n"
        assert b"RSET\r\n" not in server.sessions[0].commands


def test_a_script_can_keep_plaintext_behind_starttls():
    """The flaw of CVE-2011-0411 can be played: the smuggled command is obeyed under TLS."""
    with talking(Rule("STARTTLS").reply("220 go").start_tls(keep_plaintext=True), tls="starttls") as (
        server,
        peer,
    ):
        peer.ask(b"STARTTLS\r\nNOOP\r\n")
        with _trusting(server).wrap_socket(peer.socket, server_hostname="localhost") as wrapped:
            assert wrapped.recv(100).startswith(b"250")
            assert server.sessions[0].step("NOOP").tls


def test_tls_by_script_without_a_certificate_is_raised_by_the_server():
    """A script that starts TLS on a server without it fails the test that wrote it."""
    server = ScriptedSMTPServer([Rule("STARTTLS").reply("220 go").start_tls()]).start()
    peer = Peer(server)
    peer.ask(b"STARTTLS\r\n")
    server.wait_until_idle()
    peer.close()
    with pytest.raises(ConfigurationError, match="starttls"):
        server.stop()


def test_the_tls_handshake_is_a_step_of_its_own():
    """A rule on TLS replaces the handshake."""
    rule = Rule("TLS").raw("220 what TLS?\r\n").close()
    with ScriptedSMTPServer([rule], tls="implicit") as server, pytest.raises(ssl.SSLError):
        smtplib.SMTP_SSL("127.0.0.1", server.port)


# -- the script


def test_rules_count_within_the_session_and_sessions_are_numbered():
    """nth counts the step in its session; session picks one connection; the first rule that matches wins."""
    rules = [
        Rule("NOOP", nth=2, session=2).reply("251 here"),
        Rule("noop", nth=(1, 3)).reply("252 odd"),
        Rule("ANY", contains="vrfy").reply("299 any"),
    ]
    with ScriptedSMTPServer(rules) as server:
        for expected in ([252, 250, 252, 299], [252, 251, 252, 299]):
            peer = Peer(server)
            assert peer.codes(b"NOOP\r\nNOOP\r\nNOOP\r\nVRFY x\r\n", 4) == expected
            peer.close()


def test_the_first_reply_decides_what_the_server_holds_to_be_true():
    """A scripted 2xx to RCPT takes the recipient, a 4xx does not; 354 without recipients reads content."""
    rules = [Rule("RCPT", nth=1).reply("252 maybe"), Rule("RCPT", nth=2).reply("450 no")]
    with talking(*rules) as (server, peer):
        peer.codes(MAIL + b"RCPT TO:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n", 4)
        peer.codes(b".\r\n", 1)
        (transaction,) = server.sessions[0].transactions
        assert (transaction.recipients, transaction.refused) == (["a@x"], ["b@x"])
    with talking(Rule("RCPT").reply("550 no"), Rule("DATA").reply("354 yes")) as (server, peer):
        assert peer.codes(MAIL + RCPT + b"DATA\r\n", 3) == [250, 550, 354]
        assert peer.codes(b".\r\n", 1) == [554]
        assert server.commits == []


def test_accept_overrules_the_reply():
    """accept=False lies: 250 to the content and nothing committed; accept=True takes what it refuses."""
    with talking(Rule("BODY", accept=False).reply("250 ok")) as (server, peer):
        peer.codes(MAIL + RCPT + b"DATA\r\n", 3)
        assert peer.codes(b".\r\n", 1) == [250]
        assert server.commits == []
    with talking(Rule("BODY", accept=True).reply("451 no")) as (server, peer):
        peer.codes(MAIL + RCPT + b"DATA\r\n", 3)
        assert peer.codes(b".\r\n", 1) == [451]
        assert len(server.commits) == 1


@pytest.mark.parametrize("chunked", [False, True])
def test_commit_then_close_leaves_the_mail_in_the_log(chunked):
    """A rule on BODY plays on the final dot and on BDAT LAST alike; the client sees the end and no reply."""
    with talking(Rule("BODY").commit().close(), capabilities=["PIPELINING", "CHUNKING"]) as (server, peer):
        if chunked:
            peer.codes(MAIL + RCPT + b"BDAT 0 LAST\r\n", 2)
        else:
            peer.codes(MAIL + RCPT + b"DATA\r\n", 3)
            peer.say(b".\r\n")
        assert peer.reply() == b""
        assert len(server.commits) == 1
        peer.close()
        server.wait_until_idle()
        assert server.sessions[0].end == "closed"


def test_a_rule_on_bdat_plays_on_each_chunk():
    """BDAT rules come before BODY rules, and count chunks."""
    with talking(Rule("BDAT", nth=2).reply("451 full"), capabilities=["PIPELINING", "CHUNKING"]) as (
        server,
        peer,
    ):
        assert peer.codes(MAIL + RCPT + b"BDAT 1\r\naBDAT 1 LAST\r\nb", 4) == [250, 250, 250, 451]
        assert server.commits == []


def test_reset_is_seen_as_a_reset():
    """The client's read fails with ECONNRESET, after what was said before."""
    with talking(Rule("NOOP").reply("250 last words").reset()) as (server, peer):
        assert peer.codes(b"NOOP\r\n", 1) == [250]
        with pytest.raises(ConnectionResetError):
            peer.reply()
        server.wait_until_idle()
        assert server.sessions[0].end == "rst"


def test_hang_reads_on_and_tells_how_much_came():
    """What the client says into a hanging session is counted and its beginning kept."""
    with talking(Rule("MAIL").hang()) as (server, peer):
        peer.say(MAIL + RCPT)
        peer.close()
        server.wait_until_idle()
        session = server.sessions[0]
        assert session.end == "eof"
        assert session.ignored == RCPT
        assert session.received_after("MAIL") == len(RCPT)
        assert session.step("MAIL").sent == b""


def test_stall_reads_nothing():
    """A stalled session takes nothing more, and ends with the server."""
    with talking(Rule("NOOP").stall()) as (server, peer):
        peer.say(b"NOOP\r\n")
        server.wait_for_step("NOOP")
        peer.say(b"x" * 1000)
    assert server.sessions[0].end == "stopped"
    assert server.sessions[0].ignored == b""


def test_drip_flood_sleep_and_raw_send_what_they_say():
    """A drip comes byte by byte but whole, a flood stops at its size, raw adds nothing."""
    rules = [
        Rule("NOOP").raw("250-a\n").drip("250 b\r\n", every=0.001).sleep(0.001),
        Rule("HELP").flood("214-x\r\n", size=70_000).raw("214 \udcff end\r\n"),
    ]
    with talking(*rules) as (server, peer):
        assert peer.ask(b"NOOP\r\n") == b"250-a\n250 b\r\n"
        flood = peer.ask(b"HELP\r\n")
        assert flood == b"214-x\r\n" * 10_000 + b"214 \xff end\r\n"
        assert len(server.sessions[0].step("HELP").sent) == 65536


def test_a_flood_into_a_client_that_does_not_read_ends_with_the_server():
    """Leaving the server ends a flood that is blocked."""
    with ScriptedSMTPServer([Rule("NOOP").flood()]) as server:
        peer = Peer(server)
        peer.say(b"NOOP\r\n")
        server.wait_for_step("NOOP")
    peer.close()
    assert server.sessions[0].end == "stopped"


def test_hold_waits_for_release():
    """A held reply comes when the test says so, and not before."""
    with talking(Rule("NOOP").hold("go").proceed()) as (server, peer):
        peer.say(b"NOOP\r\n")
        server.wait_for_step("NOOP")
        assert server.sessions[0].step("NOOP").sent == b""
        server.release("go")
        assert peer.reply().startswith(b"250")


def test_a_hold_that_is_never_released_ends_with_the_server():
    """Leaving the server ends a hold."""
    with talking(Rule("NOOP").hold("never")) as (server, peer):
        peer.say(b"NOOP\r\n")
        server.wait_for_step("NOOP")
    assert server.sessions[0].end == "stopped"


def test_auth_steps_can_be_scripted():
    """AUTH and its further lines are steps; a scripted 235 is believed, a scripted 334 asks for a line."""
    with talking(Rule("AUTHDATA", nth=2).reply("454 4.7.0 later"), credentials={"u": "p"}) as (server, peer):
        assert peer.codes(b"AUTH LOGIN\r\n", 1) == [334]
        assert peer.codes(b"dQ==\r\n", 1) == [334]
        assert peer.codes(b"cA==\r\n", 1) == [454]
        assert server.sessions[0].user is None
    rules = [Rule("AUTH").reply("334 "), Rule("AUTHDATA").reply("235 ok")]
    with talking(*rules, credentials={"u": "p"}) as (server, peer):
        assert peer.codes(b"AUTH WHATEVER\r\n", 1) == [334]
        assert peer.codes(b"x\r\n", 1) == [235]
        assert server.sessions[0].user == ""


def test_json_rules_are_the_same_as_python_rules():
    """Every action has a JSON form."""
    actions = [
        ["reply", "250 a"], ["raw", "b"], ["sleep", 1], ["drip", "c", 0.5], ["flood", "d", 5], ["hang"], ["read", 7],
        ["stall"], ["close"], ["rst"], ["commit"], ["tls"], ["tls", "keep"], ["default"], ["hold", "h"],
    ]  # fmt: skip
    rule = Rule("RCPT", nth=(1, 2), session=3, contains="x", accept=True)
    rule = (
        rule.reply("250 a")
        .raw(b"b")
        .sleep(1)
        .drip("c", 0.5)
        .flood("d", 5)
        .hang()
        .read(7)
        .stall()
        .close()
        .reset()
        .commit()
    )
    rule = rule.start_tls().start_tls(keep_plaintext=True).proceed().hold("h")
    value = {"on": "RCPT", "nth": [1, 2], "session": 3, "contains": "x", "accept": True, "do": actions}
    assert Rule.from_json(value) == rule
    assert Rule.from_json({"on": "greeting", "do": []}) == Rule("CONNECT")


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ({"on": "RCTP", "do": []}, "on: 'RCTP'"),
        ({"on": "RCPT", "do": [["explode"]]}, "do: ['explode']"),
        ({"on": "RCPT", "do": [["reply"]]}, "do: ['reply']"),
        ({"on": "RCPT", "do": [["reply", 5]]}, "do: ['reply', 5]"),
        ({"on": "RCPT", "do": [["flood", ""]]}, "data: ''"),
        ({"on": "RCPT", "do": [[]]}, "do: []"),
        ({"on": "RCPT", "do": "reply"}, "do: 'reply'"),
        ({"on": "RCPT", "do": [], "nth": "1"}, "nth: '1'"),
        ({"on": "RCPT", "do": [], "accept": 1}, "accept: 1"),
        ({"on": "RCPT", "do": [], "contains": 1}, "contains: 1"),
        ({"on": "RCPT", "do": [], "when": 1}, "unknown keys ['when']"),
    ],
)
def test_a_wrong_rule_is_refused_by_name(value, named):
    """The error names the key and the value that are wrong."""
    with pytest.raises(InvalidValue) as caught:
        ScriptedSMTPServer([value])
    assert named in str(caught.value)


@pytest.mark.parametrize(
    "options", [{"delivery": "slow"}, {"tls": "yes"}, {"credentials": {}, "mechanisms": ["NTLM"]}]
)
def test_a_wrong_option_is_refused_by_name(options):
    """The error names the argument."""
    with pytest.raises(InvalidValue, match=next(reversed(options))):
        ScriptedSMTPServer(**options)


def test_an_unknown_certificate_kind_is_refused():
    """The error lists the kinds there are."""
    with pytest.raises(InvalidValue, match="self-signed"):
        ScriptedSMTPServer(tls="implicit", certificate="golden").start()


# -- delivery, waiting, bounds


@pytest.mark.parametrize("delivery", ["whole", "line", "byte"])
@pytest.mark.parametrize("tls", [None, "implicit"])
def test_replies_are_the_same_however_they_are_delivered(delivery, tls):
    """Whole, by line and byte by byte, in clear and under TLS, a client sees the same replies."""
    with ScriptedSMTPServer(delivery=delivery, tls=tls) as server:
        kind = smtplib.SMTP if tls is None else smtplib.SMTP_SSL
        context = {} if tls is None else {"context": _trusting(server)}
        with kind("127.0.0.1", server.port, **context) as client:
            client.sendmail("a@b", ["c@d"], "x")
            assert client.has_extn("pipelining")
        assert len(server.commits) == 1


def _pieces(delivery: str) -> list[bytes]:
    """Return what a client reads that never lags behind the server."""
    with talking(delivery=delivery) as (_, peer):
        peer.say(b"NOOP\r\nNOOP\r\n")
        pieces: list[bytes] = []
        while b"".join(pieces).count(b"\n") < 2:
            pieces.append(peer.socket.recv(1000))
        return pieces


def test_delivery_cuts_the_replies():
    """Whole: the replies to a group in one piece; by byte: many pieces."""
    assert len(_pieces("whole")) == 1
    assert len(_pieces("byte")) > 10


def test_waiting_tells_the_conversation_when_it_is_in_vain():
    """A TimeoutError shows what was said."""
    with talking() as (server, peer):
        peer.ask(b"NOOP hello\r\n")
        with pytest.raises(TimeoutError, match="NOOP hello"):
            server.wait_for_commits(1, timeout=0.01)
        with pytest.raises(LookupError, match="reached MAIL 0 times"):
            server.sessions[0].step("MAIL")


def test_waiting_is_woken_by_what_happens():
    """wait_for returns as soon as the predicate is true, from another thread's doing."""
    with talking() as (server, peer):
        peer.codes(MAIL + RCPT + b"DATA\r\n", 3)
        thread = threading.Thread(target=peer.say, args=(b".\r\n",))
        thread.start()
        server.wait_for_commits()
        thread.join()
        assert "S: b'354 end with a dot\\r\\n'" in server.sessions[0].transcript()


def test_the_lifetime_ends_every_session():
    """After its lifetime the server hangs up on its own."""
    with ScriptedSMTPServer([Rule("NOOP").hang()], lifetime=0.05) as server:
        peer = Peer(server)
        peer.say(b"NOOP\r\n")
        assert peer.reply() == b""
        peer.close()
        assert server.sessions[0].end == "stopped"


def test_leaving_joins_the_threads_and_closes_the_port():
    """Nothing of the server is left behind."""
    before = threading.active_count()
    with ScriptedSMTPServer() as server:
        peers = [Peer(server) for _ in range(5)]
        ca_file = server.ca_file
    for peer in peers:
        peer.close()
    assert ca_file is None
    assert threading.active_count() == before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), timeout=5)


def test_a_command_line_without_end_is_cut_off():
    """A megabyte without a line end ends the session."""
    with talking() as (server, peer):
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            peer.say(b"x" * 5_000_000)
        server.wait_until_idle()
        assert server.sessions[0].end == "closed"


def test_content_cut_short_is_remembered_and_not_complete():
    """A client that dies in mid-content leaves what it sent, uncommitted."""
    with talking() as (server, peer):
        peer.codes(MAIL + RCPT + b"DATA\r\n", 3)
        peer.say(b"half a mai")
        peer.close()
        server.wait_until_idle()
        (transaction,) = server.sessions[0].transactions
        assert (transaction.raw, transaction.complete, transaction.committed) == (b"half a mai", False, False)


def test_the_url_names_port_login_and_options():
    """The URL carries what a Mailer needs, percent-encoded."""
    with ScriptedSMTPServer() as server:
        assert server.url() == f"smtp://127.0.0.1:{server.port}"
        assert server.url(username="a@b", password="p/w", timeout=1, ehlo=None) == (
            f"smtp://a%40b:p%2Fw@127.0.0.1:{server.port}?timeout=1"
        )
    with ScriptedSMTPServer(tls="starttls") as server:
        assert server.url().endswith("&tls=required")
        assert server.url(ca=None, tls="opportunistic").endswith("?tls=opportunistic")
    with ScriptedSMTPServer(tls="implicit") as server:
        assert server.url().startswith(f"smtps://127.0.0.1:{server.port}?ca=")


def test_the_kit_names_what_it_has():
    """An unknown name of modernmail.testing is an AttributeError that names it."""
    import modernmail.testing as testing

    with pytest.raises(AttributeError, match="Nothing"):
        _ = testing.Nothing
