"""TLS that is missing, refused, tampered with or wrong: nothing but EHLO and STARTTLS leaves, and no password.

Each case is played sync and async, with a password in the URL, through a relay that records every octet.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from relay import Relay, commands_in_clear

from modernmail import Mailer
from modernmail.errors import ConnectFailed, DeliveryError, SecurityFailed
from modernmail.testing import Rule, ScriptedSMTPServer

from .limited_authority import LimitedAuthority
from .sender import FACES, PASSWORD, SECRETS, USER, send, shown

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from services.certificates import CertificateAuthority
    from services.dovecot import Dovecot
    from services.postfix import Postfix

MAY_BE_IN_CLEAR = {"EHLO", "HELO", "STARTTLS", "QUIT"}
LOGIN = f"{quote(USER)}:{quote(PASSWORD)}@"


def judge(
    relay: Relay,
    error: BaseException | None,
    *,
    is_transient: bool | None = None,
    kind: type[DeliveryError] | tuple[type[DeliveryError], ...] = SecurityFailed,
) -> None:
    """Fail unless the send was given up for safety, with nothing told to the wire or to the error's reader."""
    assert isinstance(error, kind), error
    assert isinstance(error, DeliveryError)
    assert error.receipt is not None
    assert {outcome.status for outcome in error.receipt.recipients.values()} == {"deferred"}
    assert not any(secret in shown(error) for secret in SECRETS)
    assert relay.said
    for said in relay.said:
        commands = commands_in_clear(said)
        assert {command.split(" ")[0] for command in commands} <= MAY_BE_IN_CLEAR, commands
        assert not any(secret.encode() in said for secret in SECRETS)
    if is_transient is not None:
        assert error.is_transient is is_transient


# -- the scripted server: every way in which it can go wrong

EHLO = Rule("EHLO").reply("250-scripted.test\r\n250-PIPELINING\r\n250 AUTH PLAIN LOGIN")
REFUSED = (
    "454 4.7.0 TLS not available",
    "421 4.3.2 later",
    "500 no",
    "502 no",
    "503 no",
    "554 5.7.3 no",
    "250 ok",
    "354 ok",
)
BEHIND = (
    "250 2.0.0 ok",
    "250-evil\r\n250 AUTH PLAIN",
    "235 2.7.0 welcome",
    "421 4.3.2 bye",
    "220 again",
    "x",
)
CERTIFICATES = ("untrusted", "self-signed", "expired", "not-yet-valid", "wrong-host")


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize(
    "script", [[EHLO], [Rule("EHLO").reply("502 5.5.1 no")]], ids=["stripped", "HELO only"]
)
def test_starttls_that_is_not_offered(script: list[Rule], face: str) -> None:
    """No STARTTLS in the reply to EHLO, or no EHLO: the mail stays here, and the error names the option that would send."""
    with ScriptedSMTPServer(script, credentials={USER: PASSWORD}) as server, Relay(server.port) as relay:
        error = send(Mailer(f"smtp://{LOGIN}127.0.0.1:{relay.port}?tls=required"), face)
        assert server.commits == []
    judge(relay, error, is_transient=False)
    assert "does not offer STARTTLS" in str(error)
    assert "?tls=off" in str(error)


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("tls", ["required", "opportunistic"])
@pytest.mark.parametrize("reply", REFUSED)
def test_starttls_that_is_refused(reply: str, tls: str, face: str) -> None:
    """Offered and then refused, by whatever reply: nothing goes on in clear, not even opportunistically."""
    rule = Rule("STARTTLS").reply(reply)
    with (
        ScriptedSMTPServer([rule], tls="starttls", credentials={USER: PASSWORD}) as server,
        Relay(server.port) as relay,
    ):
        error = send(Mailer(f"smtp://{LOGIN}127.0.0.1:{relay.port}?tls={tls}&ca={server.ca_file}"), face)
        assert server.commits == []
    judge(relay, error)


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("behind", BEHIND)
def test_plaintext_behind_the_reply_to_starttls(behind: str, face: str) -> None:
    """What stands in clear behind the 220 ends the connection: it is never read as an answer given under TLS."""
    rule = Rule("STARTTLS").raw(f"220 2.0.0 go ahead\r\n{behind}\r\n").start_tls()
    with (
        ScriptedSMTPServer([rule], tls="starttls", credentials={USER: PASSWORD}) as server,
        Relay(server.port) as relay,
    ):
        error = send(Mailer(f"smtp://{LOGIN}127.0.0.1:{relay.port}?tls=required&ca={server.ca_file}"), face)
        assert server.commits == []
        assert [step for step in server.sessions[0].steps if step.tls] == []
    judge(relay, error, kind=(SecurityFailed, ConnectFailed))  # the latter for what is not even a reply


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@pytest.mark.parametrize("certificate", CERTIFICATES)
def test_a_certificate_that_is_wrong(certificate: str, tls: str, face: str) -> None:
    """Of another authority, self-signed, expired, not valid yet, or for another host: no login and no mail."""
    with (
        ScriptedSMTPServer(tls=tls, certificate=certificate, credentials={USER: PASSWORD}) as server,
        Relay(server.port) as relay,
    ):
        scheme, option = ("smtps", "") if tls == "implicit" else ("smtp", "tls=required&")
        error = send(Mailer(f"{scheme}://{LOGIN}127.0.0.1:{relay.port}?{option}ca={server.ca_file}"), face)
        server.wait_until_idle()
        names = [step.name for session in server.sessions for step in session.steps]
    judge(relay, error, is_transient=False)
    assert "certificate verification failed" in str(error)
    assert not {"AUTH", "AUTHDATA", "MAIL", "RCPT", "DATA"} & set(names)


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_a_handshake_that_is_cut_off(tls: str, face: str) -> None:
    """A server that restarts, perhaps: nothing is said in clear, and it is a connection that failed, to be tried again."""
    rules = [Rule("TLS").close()]
    with ScriptedSMTPServer(rules, tls=tls) as server, Relay(server.port) as relay:
        scheme, option = ("smtps", "") if tls == "implicit" else ("smtp", "tls=required&")
        error = send(Mailer(f"{scheme}://{LOGIN}127.0.0.1:{relay.port}?{option}ca={server.ca_file}"), face)
    judge(relay, error, is_transient=True, kind=ConnectFailed)
    assert str(error) == f"127.0.0.1:{relay.port}: the server closed the connection"


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@pytest.mark.parametrize(
    ("alert", "words"),
    [
        (70, "the server has no TLS 1.2 or later"),
        (116, "the server wants a certificate of the client's, and we have none"),
        (40, "no cipher in common, or the server wants a certificate"),
        (80, "INTERNAL_ERROR"),
    ],
)
def test_an_alert_in_the_handshake_is_told_in_words(alert: int, words: str, tls: str, face: str) -> None:
    """What a server means that ends the handshake, for whoever must do something about it (RFC 8446 6)."""

    script = [Rule("TLS").read(1).raw(bytes((21, 3, 3, 0, 2, 2, alert))).close()]
    with ScriptedSMTPServer(script, tls=tls) as server:
        error = send(Mailer(server.url()), face)
    assert isinstance(error, SecurityFailed)
    assert words in str(error)
    assert "_ssl.c" not in str(error)


@pytest.mark.parametrize("face", FACES)
def test_the_name_that_counts_is_the_one_in_the_url(face: str) -> None:
    """A certificate for `localhost`, 127.0.0.1 and ::1 is no proof for another address of the same machine."""
    with (
        ScriptedSMTPServer(tls="starttls", credentials={USER: PASSWORD}) as server,
        Relay(server.port, host="127.0.0.2") as relay,
    ):
        error = send(Mailer(f"smtp://{LOGIN}127.0.0.2:{relay.port}?tls=required&ca={server.ca_file}"), face)
        assert server.commits == []
    judge(relay, error, is_transient=False)
    assert "not valid for '127.0.0.2'" in str(error)


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("others", [[], [IPv4Address("127.0.0.2")]])
def test_a_common_name_is_no_host_name(others: list[IPv4Address], face: str, tmp_path: Path) -> None:
    """The name of the host has to be a subjectAltName (RFC 9525 2): an authority's limits on names do not bind the common
    name, so that one for example.org alone could speak for any host."""
    authority = LimitedAuthority(tmp_path, "example.org")
    chain = authority.issue("localhost", others)
    with ScriptedSMTPServer(tls="implicit", certificate=chain, credentials={USER: PASSWORD}) as server:
        url = f"smtps://{LOGIN}localhost:{server.port}?ca={authority.ca_file}"
        error = send(Mailer(url), face)
        assert isinstance(error, SecurityFailed)
        assert "not valid for 'localhost'. (what counts are its subjectAltNames" in str(error)
        assert [session.steps[1:] for session in server.sessions] == [[]]


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("query", ["", "?tls=opportunistic"])
def test_auth_that_is_asked_for_in_clear(query: str, face: str) -> None:
    """AUTH offered and required without TLS: the password is not told, on loopback neither, unless the URL says tls=off."""
    with (
        ScriptedSMTPServer(credentials={USER: PASSWORD}, require_auth=True) as server,
        Relay(server.port) as relay,
    ):
        error = send(Mailer(f"smtp://{LOGIN}127.0.0.1:{relay.port}{query}"), face)
        judge(relay, error, is_transient=False)
        assert "would go in clear" in str(error)
        assert send(Mailer(f"smtp://{LOGIN}127.0.0.1:{relay.port}?tls=off"), face) is None


@pytest.mark.parametrize("face", FACES)
def test_what_was_offered_before_tls_is_forgotten(face: str) -> None:
    """AUTH that stands in the EHLO reply in clear only was written by somebody between: no login follows."""
    rules = [Rule("EHLO", nth=1).reply("250-scripted.test\r\n250-AUTH PLAIN\r\n250 STARTTLS")]
    with ScriptedSMTPServer(rules, tls="starttls") as server, Relay(server.port) as relay:
        error = send(Mailer(f"smtp://{LOGIN}127.0.0.1:{relay.port}?tls=required&ca={server.ca_file}"), face)
        server.wait_until_idle()
        assert "AUTH" not in [step.name for step in server.sessions[0].steps]
    judge(relay, error, is_transient=False)
    assert "offers no AUTH" in str(error)


# -- a real Postfix, and somebody in between


def replaced(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    """Return what changes the server's words on their way."""
    return lambda data: data.replace(old, new)


def answered(reply: bytes) -> Callable[[bytes], bytes | None]:
    """Return what answers STARTTLS in the server's place."""
    return lambda data: reply if data.upper().startswith(b"STARTTLS") else None


ATTACKS = {
    "stripped": {"to_client": replaced(b"250-STARTTLS\r\n", b"")},
    "overwritten": {"to_client": replaced(b"250-STARTTLS\r\n", b"250-XXXXXXXX\r\n250-AUTH PLAIN\r\n")},
    "refused 454": {"answer": answered(b"454 4.7.0 TLS not available\r\n")},
    "refused 554": {"answer": answered(b"554 5.7.3 no\r\n")},
    "injected": {
        "to_client": replaced(b"Ready to start TLS\r\n", b"Ready to start TLS\r\n250 AUTH PLAIN\r\n")
    },
}


@pytest.mark.once
@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("attack", ATTACKS)
def test_somebody_between_us_and_postfix(
    attack: str, face: str, postfix_tls: Postfix, certificate_authority: CertificateAuthority
) -> None:
    """STARTTLS taken out, refused, or followed by words in clear: Postfix gets no mail, the attacker no password."""
    with Relay(postfix_tls.port, **ATTACKS[attack]) as relay:  # type: ignore[arg-type]  # hooks by name
        url = f"smtp://{LOGIN}localhost:{relay.port}?tls=required&ca={certificate_authority.ca_file}"
        error = send(Mailer(url), face)
    judge(relay, error)
    assert postfix_tls.delivered() == []


@pytest.mark.once
@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("fault", ["expired", "wrong host", "unknown authority"])
def test_postfix_with_a_wrong_certificate(
    fault: str, face: str, postfix_tls: Postfix, certificate_authority: CertificateAuthority
) -> None:
    """An expired certificate, one for another host, or one whose authority the machine does not know."""
    port = postfix_tls.ports.get(fault, postfix_tls.port)
    ca = "" if fault == "unknown authority" else f"&ca={certificate_authority.ca_file}"
    with Relay(port) as relay:
        error = send(Mailer(f"smtp://{LOGIN}localhost:{relay.port}?tls=required{ca}"), face)
    judge(relay, error, is_transient=False)
    assert "certificate verification failed" in str(error)
    assert postfix_tls.delivered() == []


@pytest.mark.once
@pytest.mark.parametrize("face", FACES)
def test_the_relay_alone_stops_nothing(
    face: str, postfix_tls: Postfix, dovecot: Dovecot, certificate_authority: CertificateAuthority
) -> None:
    """Without an attack the same mail passes the same relay, and nothing of it is in clear: the judge can be trusted."""
    with Relay(postfix_tls.port) as relay:
        url = f"smtp://{LOGIN}localhost:{relay.port}?tls=required&ca={certificate_authority.ca_file}"
        assert send(Mailer(url), face) is None
        ehlo, starttls = commands_in_clear(relay.said[0])
    assert (ehlo.split(" ")[0], starttls) == ("EHLO", "STARTTLS")
    assert len(postfix_tls.delivered()) == 1
