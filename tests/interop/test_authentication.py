"""AUTH at a real Postfix whose passwords and tokens a real Dovecot judges: each mechanism we know, sync and async."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from faces import faces, send_each
from services.dovecot import PASSWORDS
from services.postfix import MECHANISMS
from services.process import wait_until

from modernmail import Mailer, Message
from modernmail.errors import AuthenticationFailed

if TYPE_CHECKING:
    from services.certificates import CertificateAuthority
    from services.dovecot import Dovecot
    from services.postfix import Postfix

USERS = ("zoe@example.com", "zoë@example.com")
pytestmark = pytest.mark.once


def url_of(postfix: Postfix, mechanism: str, authority: CertificateAuthority) -> str:
    """Return the URL of the port that offers this mechanism alone."""
    port = postfix.ports[mechanism]
    return f"smtp://localhost:{port}?tls=required&ca={authority.ca_file}&pool=2"


def letters(count: int = 1) -> list[Message]:
    """Return so many small mails."""
    return [
        Message(f"{number}", "x", from_email="me@example.com", to="you@example.com")
        for number in range(count)
    ]


@faces
@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_the_right_secret_lets_in(
    mechanism: str,
    user: str,
    is_async: bool,
    postfix_tls: Postfix,
    dovecot: Dovecot,
    certificate_authority: CertificateAuthority,
) -> None:
    """A password or a token, of a user whose name is ASCII or not: Postfix notes mechanism and user with the mail."""
    secret: dict[str, Any] = (
        {"token": lambda: dovecot.token(user)} if "OAUTH" in mechanism else {"password": PASSWORDS[user]}
    )
    url = url_of(postfix_tls, mechanism, certificate_authority)
    send_each(Mailer(url, username=user, **secret), letters(), is_async=is_async)
    assert len(postfix_tls.delivered()) == 1
    noted = f"sasl_method={mechanism}, sasl_username={user if user.isascii() else 'zo'}"
    wait_until(lambda: noted in postfix_tls.log.since_mark(), f"Postfix has noted {noted}")


@faces
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_wrong_secret_does_not(
    mechanism: str,
    is_async: bool,
    postfix_tls: Postfix,
    dovecot: Dovecot,
    certificate_authority: CertificateAuthority,
) -> None:
    """The error has the server's reply and is final; the secret is not in it, and nothing is sent."""
    expired = dovecot.token(USERS[0], lifetime=-500)
    secret: dict[str, Any] = (
        {"token": lambda: expired} if "OAUTH" in mechanism else {"password": "wrong horse"}
    )
    url = url_of(postfix_tls, mechanism, certificate_authority)
    with pytest.raises(AuthenticationFailed) as caught:
        send_each(Mailer(url, username=USERS[0], **secret), letters(), is_async=is_async)
    assert caught.value.reply is not None
    assert caught.value.reply.code == 535
    assert not caught.value.is_transient
    assert expired not in str(caught.value)
    assert "wrong horse" not in str(caught.value)
    assert postfix_tls.delivered() == []


@faces
@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
def test_a_token_that_has_expired_is_asked_for_anew(
    mechanism: str,
    is_async: bool,
    postfix_tls: Postfix,
    dovecot: Dovecot,
    certificate_authority: CertificateAuthority,
) -> None:
    """After a 535 the provider is asked once more, over the same connection, and the second token is taken."""
    tokens = [dovecot.token(USERS[0], lifetime=-500), dovecot.token(USERS[0])]
    url = url_of(postfix_tls, mechanism, certificate_authority)
    send_each(Mailer(url, username=USERS[0], token=lambda: tokens.pop(0)), letters(2), is_async=is_async)
    assert tokens == []
    assert len(postfix_tls.delivered()) == 2
    assert postfix_tls.log.since_mark().count(": connect from") == 1
