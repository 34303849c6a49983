"""OAuth2 at a real server: Postfix, whose SASL service (Dovecot) asks the token's own endpoint about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from faces import faces, send
from services.bearer import BearerSASL
from services.dovecot import INSTALL
from services.postfix import INSTALL as INSTALL_POSTFIX
from services.postfix import Postfix
from services.process import service_folder
from services.programs import require
from token_endpoint import TokenEndpoint

from modernmail import Mailer, Message
from modernmail.errors import AuthenticationFailed
from modernmail.oauth2 import OAuth2RefreshToken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from services.certificates import CertificateAuthority


pytestmark = pytest.mark.once
ME = "zoe@example.com"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[TokenEndpoint]:
    """The token endpoint, which both the client and the server ask."""
    with TokenEndpoint() as running:
        yield running


@pytest.fixture(scope="module")
def running(endpoint: TokenEndpoint, certificate_authority: CertificateAuthority) -> Iterator[Postfix]:
    """A Postfix that takes mail from nobody without a token."""
    require("postfix", install=INSTALL_POSTFIX, root=True)
    require("dovecot", install=INSTALL, root=True)
    with (
        service_folder("sasl") as sasl_folder,
        service_folder("postfix") as folder,
        BearerSASL(sasl_folder, endpoint.url.replace("/token", "/info")) as sasl,
        Postfix(
            folder,
            certificate=certificate_authority.issue(),
            sasl_socket=sasl.auth_socket,
            parameters={"smtpd_client_restrictions": "permit_sasl_authenticated,reject"},
        ) as server,
    ):
        yield server


@faces
@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
def test_postfix_takes_the_token(
    running: Postfix,
    endpoint: TokenEndpoint,
    certificate_authority: CertificateAuthority,
    mechanism: str,
    is_async: bool,
) -> None:
    """By either mechanism, sync and async: mail arrives; a token that was revoked is replaced; a refused one is an error."""
    running.renew()
    endpoint.forms.clear()
    endpoint.owners = {"token-1": ME, "token-2": ME}
    provider = OAuth2RefreshToken(endpoint.url, "client", "secret", "refresh", http_on_loopback=True)

    letter = Message("Hi", "Text", from_email="me@example.com", to=ME)

    def mailer() -> Mailer:
        url = f"smtp://localhost:{running.port}?tls=required&ca={certificate_authority.ca_file}&auth={mechanism}"
        return Mailer(url, username=ME, token=provider)

    assert send(mailer(), letter, is_async=is_async).accepted == (ME,)
    del endpoint.owners["token-1"]  # revoked before its time
    assert send(mailer(), letter, is_async=is_async).accepted == (ME,)
    assert len(endpoint.forms) == 2
    endpoint.owners.clear()
    with pytest.raises(AuthenticationFailed, match="535") as caught:
        send(mailer(), letter, is_async=is_async)
    assert "token-" not in str(caught.value)
    assert len(running.delivered()) == 2
