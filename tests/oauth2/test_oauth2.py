"""OAuth2: tokens that are fetched once for all, replaced in time, and never shown; SMTP that logs in with them."""

from __future__ import annotations

import asyncio
import logging
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from faces import faces
from faces import send as send_by_face
from forked import forks, in_a_child
from token_endpoint import TokenEndpoint

import modernmail
from modernmail import Mailer, Message
from modernmail.errors import (
    AuthenticationFailed,
    ConfigurationError,
    ConnectFailed,
    DeliveryError,
    SecurityFailed,
)
from modernmail.oauth2 import OAuth2ClientCredentials, OAuth2RefreshToken
from modernmail.testing import ScriptedSMTPServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from modernmail.oauth2 import OAuth2Provider

SECRETS = ("s3cret-of-the-client", "r3fresh-1", "r3fresh-2", "token-1", "token-2")
ME = "me@example.com"


def message() -> Message:
    """Return a small mail."""
    return Message("Hi", "Text", from_email=ME, to="zoe@example.com")


@pytest.fixture
def endpoint() -> Iterator[TokenEndpoint]:
    """A token endpoint on this machine, without TLS."""
    with TokenEndpoint() as running:
        yield running


def users(endpoint: TokenEndpoint, **options: Any) -> OAuth2RefreshToken:
    """Return the provider of a user's tokens."""
    return OAuth2RefreshToken(
        endpoint.url, "client", SECRETS[0], SECRETS[1], **({"http_on_loopback": True} | options)
    )


def applications(endpoint: TokenEndpoint, **options: Any) -> OAuth2ClientCredentials:
    """Return the provider of the application's tokens."""
    return OAuth2ClientCredentials(
        endpoint.url, "client", SECRETS[0], **({"http_on_loopback": True} | options)
    )


def token_of(provider: OAuth2Provider, *, is_async: bool) -> str:
    """Return a token, asked for either way."""
    return asyncio.run(provider.atoken()) if is_async else provider()


def send(mailer: Mailer, *, is_async: bool) -> modernmail.Receipt:
    """Send a small mail either way, and close."""
    return send_by_face(mailer, message(), is_async=is_async)


# -- what is asked for --------------------------------------------------------------------------------------------


@faces
def test_what_the_grants_ask_for(endpoint: TokenEndpoint, is_async: bool) -> None:
    """The form says the grant, who asks, and for what; `extra` goes along."""
    assert (
        token_of(users(endpoint, scope="mail send", extra={"audience": "smtp"}), is_async=is_async)
        == "token-1"
    )
    assert token_of(applications(endpoint, scope="x/.default"), is_async=is_async) == "token-2"
    client = {"client_id": "client", "client_secret": SECRETS[0]}
    assert endpoint.forms == [
        {
            "grant_type": "refresh_token",
            "refresh_token": SECRETS[1],
            "scope": "mail send",
            "audience": "smtp",
            **client,
        },
        {"grant_type": "client_credentials", "scope": "x/.default", **client},
    ]
    assert endpoint.authorizations == [None, None]


def test_the_client_in_a_header(endpoint: TokenEndpoint) -> None:
    """RFC 6749 2.3.1: form-encoded, then base64; the form has no secret then."""
    provider = OAuth2ClientCredentials(
        endpoint.url, "cl ient", "a:b%", client_auth="basic", http_on_loopback=True
    )
    provider()
    assert endpoint.authorizations == ["Basic Y2wraWVudDphJTNBYiUyNQ=="]
    assert endpoint.forms == [{"grant_type": "client_credentials"}]


def test_over_tls(tmp_path: Path) -> None:
    """An https endpoint of one's own authority needs its file; without it nothing is sent there."""
    with TokenEndpoint(folder=tmp_path) as endpoint:
        assert OAuth2ClientCredentials(endpoint.url, "i", "s", ca=endpoint.ca)() == "token-1"
        with pytest.raises(SecurityFailed, match=r"token endpoint localhost.*certificate") as caught:
            OAuth2ClientCredentials(endpoint.url, "i", "s")()
        assert not caught.value.is_transient
        assert len(endpoint.forms) == 1


@pytest.mark.parametrize("name", ["other.example", "127.0.0.1", "localhost@example.com"])
def test_a_certificate_of_another_name(name: str, tmp_path: Path) -> None:
    """The name is verified as well, by its subjectAltNames alone, whatever its common name."""
    with TokenEndpoint(folder=tmp_path, name=name) as endpoint, pytest.raises(SecurityFailed):
        OAuth2ClientCredentials(endpoint.url, "i", "s", ca=endpoint.ca)()


def test_presets() -> None:
    """They know the endpoint and the scope of Microsoft 365 and of Gmail."""
    found = [
        (provider._token_url, provider._scope)
        for provider in (
            OAuth2ClientCredentials.microsoft365("contoso.com", "i", "s"),
            OAuth2RefreshToken.microsoft365("common", "i", None, "r"),
            OAuth2RefreshToken.gmail("i", "s", "r"),
            OAuth2RefreshToken.gmail("i", "s", "r", scope="x"),
        )
    ]
    assert found == [
        (
            "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token",
            "https://outlook.office365.com/.default",
        ),
        (
            "https://login.microsoftonline.com/common/oauth2/v2.0/token",
            "https://outlook.office.com/SMTP.Send offline_access",
        ),
        ("https://oauth2.googleapis.com/token", None),
        ("https://oauth2.googleapis.com/token", "x"),
    ]


# -- once for all -------------------------------------------------------------------------------------------------


def test_threads_share_one_request(endpoint: TokenEndpoint) -> None:
    """Twenty threads that need a token at once cost one request; so do those that come later."""
    provider = users(endpoint)
    endpoint.gate.clear()
    with ThreadPoolExecutor(20) as threads:
        asked = [threads.submit(provider) for _ in range(20)]
        assert endpoint.arrived.wait(10)
        endpoint.gate.set()
        assert {future.result(10) for future in asked} == {"token-1"}
    assert provider() == "token-1"
    assert len(endpoint.forms) == 1


def test_tasks_and_threads_share_one_request(endpoint: TokenEndpoint) -> None:
    """Tasks, on two event loops, and a thread wait for the same request; the loops go on meanwhile."""
    provider = users(endpoint)
    endpoint.gate.clear()

    async def tasks() -> list[str]:
        asked = [asyncio.ensure_future(provider.atoken()) for _ in range(20)]
        assert await asyncio.to_thread(endpoint.arrived.wait, 10)
        endpoint.gate.set()
        return await asyncio.gather(*asked)

    with ThreadPoolExecutor(3) as threads:
        asked = [threads.submit(asyncio.run, tasks()), threads.submit(asyncio.run, tasks())]
        alone = threads.submit(provider)
        assert {token for future in asked for token in future.result(10)} | {alone.result(10)} == {"token-1"}
    assert len(endpoint.forms) == 1


def test_a_cancelled_task_takes_nobody_along(endpoint: TokenEndpoint) -> None:
    """The first to ask is cancelled while its request is under way: the others get its token."""
    provider = users(endpoint)
    endpoint.gate.clear()

    async def work() -> str:
        first = asyncio.ensure_future(provider.atoken())
        assert await asyncio.to_thread(endpoint.arrived.wait, 10)
        second = asyncio.ensure_future(provider.atoken())
        await asyncio.sleep(0)
        first.cancel()
        endpoint.gate.set()
        (ended,) = await asyncio.gather(first, return_exceptions=True)
        assert isinstance(ended, asyncio.CancelledError)
        return await second

    assert asyncio.run(work()) == "token-1"
    assert len(endpoint.forms) == 1


def test_each_waiter_has_an_error_of_its_own(endpoint: TokenEndpoint) -> None:
    """One failure is told to all, each by an exception that it may write its receipt into."""
    endpoint.answer = lambda form: (400, {"error": "invalid_grant"})
    provider = users(endpoint)
    endpoint.gate.clear()

    def ask() -> AuthenticationFailed:
        with pytest.raises(AuthenticationFailed) as caught:
            provider()
        return caught.value

    with ThreadPoolExecutor(5) as threads:
        asked = [threads.submit(ask) for _ in range(5)]
        assert endpoint.arrived.wait(10)
        endpoint.gate.set()
        errors = [future.result(10) for future in asked]
    assert len({id(error) for error in errors}) == 5
    assert len({str(error) for error in errors}) == 1


@forks
def test_a_fork_begins_a_request_of_its_own(endpoint: TokenEndpoint) -> None:
    """A request that was under way in the parent will never end in the child, which does not wait for it."""
    provider = users(endpoint)
    endpoint.gate.clear()

    def open_the_gate() -> None:
        assert endpoint.arrived.wait(10)
        endpoint.gate.set()

    with ThreadPoolExecutor(2) as threads:
        parents = threads.submit(provider)
        assert endpoint.arrived.wait(10)
        endpoint.arrived.clear()
        opened = threads.submit(open_the_gate)  # when the child's request is there
        in_a_child(provider)
        opened.result(10)
        assert parents.result(10) in {"token-1", "token-2"}
    assert len(endpoint.forms) == 2


# -- in time ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "good"),
    [
        (3600, 3540),
        ("3600", 3540),
        (80, 40),
        (0, 0),
        (None, 240),
        ("soon", 240),
        (-5, 240),
        (True, 240),
        (1e12, 240),
    ],
)
def test_a_token_is_replaced_before_its_end(
    endpoint: TokenEndpoint, monkeypatch: pytest.MonkeyPatch, said: object, good: float
) -> None:
    """A minute before its end, or at half of a short life; what does not say how long it is good is good for five minutes."""
    now = [1000.0]
    monkeypatch.setattr("modernmail.oauth2.provider.monotonic", lambda: now[0])
    endpoint.answer = lambda form: (200, {"access_token": f"token-{len(endpoint.forms)}", "expires_in": said})
    provider = users(endpoint)
    assert provider() == "token-1"
    if good:
        now[0] += good - 0.5
        assert provider() == "token-1"
        now[0] += 0.5
    assert provider() == "token-2"


def test_a_token_that_was_refused_is_replaced(endpoint: TokenEndpoint) -> None:
    """Only the one that was refused: who comes late with it does not throw away the next."""
    provider = users(endpoint)
    first = provider()
    provider.refused(first)
    second = provider()
    provider.refused(first)
    assert provider() == second == "token-2"
    assert len(endpoint.forms) == 2


def test_a_new_refresh_token_is_used_and_told(endpoint: TokenEndpoint) -> None:
    """The endpoint rotates it: the next request has the new one, and the caller can save it."""
    endpoint.answer = lambda form: (
        200,
        {"access_token": f"token-{len(endpoint.forms)}", "refresh_token": SECRETS[2]},
    )
    saved: list[str] = []
    provider = users(endpoint, on_rotation=saved.append)
    provider.refused(provider())
    provider()
    assert [form["refresh_token"] for form in endpoint.forms] == [SECRETS[1], SECRETS[2]]
    assert saved == [SECRETS[2]]


def test_a_rotation_that_cannot_be_saved_is_told_and_tried_again(
    endpoint: TokenEndpoint, caplog: pytest.LogCaptureFixture
) -> None:
    """The mail goes, the log says so without a secret, and the next request tries to save it again."""
    endpoint.answer = lambda form: (
        200,
        {"access_token": f"token-{len(endpoint.forms)}", "refresh_token": SECRETS[2]},
    )
    saved: list[str] = []

    def save(token: str) -> None:
        saved.append(token)
        if len(saved) == 1:
            raise OSError(f"the disk is full: {token}")

    provider = users(endpoint, on_rotation=save)
    provider.refused(provider())
    assert provider() == "token-2"
    assert saved == [SECRETS[2]] * 2
    assert "OSError" in caplog.text
    assert "is not saved" in caplog.text
    assert not any(secret in caplog.text for secret in SECRETS)


# -- what goes wrong ----------------------------------------------------------------------------------------------

FAULTS: list[tuple[int, bytes | dict[str, Any], type[DeliveryError], bool, str]] = [
    (400, {"error": "invalid_grant", "error_description": "It has expired"}, AuthenticationFailed, False, "expired"),
    (401, {"error": "invalid_client"}, AuthenticationFailed, False, "invalid_client"),
    (400, {"error": "invalid_scope"}, AuthenticationFailed, False, "invalid_scope"),
    (200, {"error": "invalid_grant"}, AuthenticationFailed, False, "invalid_grant"),
    (404, b"not here", AuthenticationFailed, False, "HTTP status 404"),
    (400, {"error": "temporarily_unavailable"}, ConnectFailed, True, "cannot answer now"),
    (429, b"", ConnectFailed, True, "HTTP status 429"),
    (500, b"<html>", ConnectFailed, True, "HTTP status 500"),
    (503, {"error": "busy"}, ConnectFailed, True, "busy"),
    (200, b"<html>hello</html>", AuthenticationFailed, False, "no access_token"),
    (200, b"[]", AuthenticationFailed, False, "no access_token"),
    (200, b"[" * 60_000, AuthenticationFailed, False, "no access_token"),
    (200, {}, AuthenticationFailed, False, "no access_token"),
    (200, {"access_token": ""}, AuthenticationFailed, False, "no access_token"),
    (200, {"access_token": 5}, AuthenticationFailed, False, "no access_token"),
    (200, {"access_token": "a\x01auth=x"}, AuthenticationFailed, False, "no access_token"),
    (200, {"access_token": "a b"}, AuthenticationFailed, False, "no access_token"),
    (200, {"access_token": "ü"}, AuthenticationFailed, False, "no access_token"),
    (200, {"access_token": "x", "token_type": "mac"}, AuthenticationFailed, False, "no bearer token"),
    (200, b'{"access_token": "' + b"x" * 70_000, AuthenticationFailed, False, "65536 octets"),
    (400, {"error": SECRETS[0], "error_description": f"sent\r\n{SECRETS[1]} {'long ' * 99}"}, AuthenticationFailed, False, "…"),
]  # fmt: skip


@faces
@pytest.mark.parametrize(("status", "body", "error", "is_transient", "why"), FAULTS)
def test_what_an_endpoint_may_answer(
    endpoint: TokenEndpoint,
    status: int,
    body: bytes | dict[str, Any],
    error: type[DeliveryError],
    is_transient: bool,
    why: str,
    is_async: bool,
) -> None:
    """Each has its named error, which says whether trying later may help, names the endpoint, and shows no secret."""
    endpoint.answer = lambda form: (status, body)
    with pytest.raises(DeliveryError, match=why) as caught:
        token_of(users(endpoint), is_async=is_async)
    assert type(caught.value) is error
    assert caught.value.is_transient is is_transient
    said = str(caught.value)
    assert str(endpoint.port) in said
    assert said.isprintable()
    assert len(said) < 400
    assert not any(secret in said for secret in SECRETS)


def test_a_redirect_is_not_followed(endpoint: TokenEndpoint) -> None:
    """The form holds secrets: it goes where the configuration says, and nowhere else."""
    with TokenEndpoint() as other:
        endpoint.headers["Location"] = other.url
        endpoint.answer = lambda form: (307, b"")
        with pytest.raises(AuthenticationFailed, match="redirects"):
            users(endpoint)()
        assert not other.forms


def test_an_endpoint_that_is_not_there() -> None:
    """Nobody listens: it may be there later."""
    with TokenEndpoint() as gone:
        pass
    with pytest.raises(
        ConnectFailed, match=f"127.0.0.1:{gone.port} cannot be reached: Connection refused"
    ) as caught:
        users(gone)()
    assert caught.value.is_transient


@faces
def test_an_endpoint_that_does_not_answer(endpoint: TokenEndpoint, is_async: bool) -> None:
    """It is given up after its time, however it drips, and the next call asks again."""
    endpoint.gate.clear()
    provider = users(endpoint, timeout=0.1)
    with pytest.raises(ConnectFailed) as caught:
        token_of(provider, is_async=is_async)
    assert caught.value.is_transient
    endpoint.gate.set()
    assert token_of(users(endpoint), is_async=is_async).startswith("token-")


def test_one_request_that_never_ends_is_left_behind(
    endpoint: TokenEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that outlives its time is not waited for by the next caller, who begins another."""
    never = threading.Event()
    calls: list[int] = []
    provider = users(endpoint, timeout=0.05)
    real = provider._fetched

    def fetched() -> tuple[str, float]:
        calls.append(1)
        if len(calls) == 1:
            never.wait(20)
        return real()

    monkeypatch.setattr(provider, "_fetched", fetched)
    try:
        with pytest.raises(ConnectFailed, match=r"no answer within 0\.05 s"):
            provider()
        assert provider() == "token-1"
    finally:
        never.set()


# -- mail ---------------------------------------------------------------------------------------------------------


@faces
@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
def test_mail_is_sent_with_a_token(endpoint: TokenEndpoint, mechanism: str, is_async: bool) -> None:
    """The mailer asks the provider when it opens a connection, and logs in by either mechanism."""
    with ScriptedSMTPServer(
        tls="starttls", credentials={ME: "token-1"}, mechanisms=[mechanism], require_auth=True
    ) as server:
        mailer = Mailer(server.url(tls="required"), username=ME, token=users(endpoint))
        for _ in range(2):
            assert send(mailer, is_async=is_async).accepted == ("zoe@example.com",)
        assert len(server.commits) == 2
    assert len(endpoint.forms) == 1


@faces
def test_a_token_that_the_server_refuses_is_replaced_once(endpoint: TokenEndpoint, is_async: bool) -> None:
    """Revoked before its time: another one is fetched, in the same session."""
    with ScriptedSMTPServer(
        tls="starttls", credentials={ME: "token-2"}, mechanisms=["XOAUTH2"], require_auth=True
    ) as server:
        mailer = Mailer(server.url(tls="required"), username=ME, token=users(endpoint))
        assert send(mailer, is_async=is_async).accepted
        assert len(server.sessions) == 1
    assert len(endpoint.forms) == 2


@faces
def test_a_token_that_stays_refused(endpoint: TokenEndpoint, is_async: bool) -> None:
    """Two tries, then `AuthenticationFailed`, nothing sent, and no token in anything that is said."""
    with ScriptedSMTPServer(
        tls="starttls", credentials={ME: "other"}, mechanisms=["XOAUTH2"], require_auth=True
    ) as server:
        mailer = Mailer(server.url(tls="required"), username=ME, token=users(endpoint))
        with pytest.raises(AuthenticationFailed, match="535") as caught:
            send(mailer, is_async=is_async)
        assert not server.commits
    assert not caught.value.is_transient
    assert len(endpoint.forms) == 2
    said = f"{caught.value!r} {caught.value.conversation} {caught.value.receipt!r} {mailer!r}"
    assert not any(secret in said for secret in SECRETS)


def test_the_same_token_is_not_tried_twice() -> None:
    """A function that has but one token is not made to fail twice: servers lock accounts for that."""
    tries: list[int] = []

    def token() -> str:
        tries.append(1)
        return "the only one"

    with ScriptedSMTPServer(tls="starttls", credentials={ME: "other"}, mechanisms=["XOAUTH2"]) as server:
        with pytest.raises(AuthenticationFailed):
            send(Mailer(server.url(tls="required"), username=ME, token=token), is_async=False)
        (session,) = server.sessions
        assert sum(b"AUTH" in line for line in session.commands) == 1, session.commands
    assert len(tries) == 2


@faces
@pytest.mark.parametrize("token", ["", "a\x01auth=Bearer other", "tok\r\nen", "tökén", None, b"x", 5])
def test_a_provider_that_gives_no_token(token: object, is_async: bool) -> None:
    """A control character would end the field, so nothing of it is said to the server."""
    with ScriptedSMTPServer(tls="starttls", credentials={ME: "x"}, mechanisms=["XOAUTH2"]) as server:
        mailer = Mailer(server.url(tls="required"), username=ME, token=lambda: token)  # type: ignore[arg-type,return-value]
        with pytest.raises((AuthenticationFailed, SecurityFailed)):
            send(mailer, is_async=is_async)
        assert not any(b"AUTH" in line for session in server.sessions for line in session.commands)


@faces
@pytest.mark.parametrize(
    ("answer", "error", "is_transient"),
    [
        ((400, {"error": "invalid_grant"}), AuthenticationFailed, False),
        ((503, b""), ConnectFailed, True),
    ],
)
def test_no_token_no_mail(
    endpoint: TokenEndpoint, answer: Any, error: type[DeliveryError], is_transient: bool, is_async: bool
) -> None:
    """An endpoint that refuses, or is down: nothing is sent, every recipient is deferred, and `send` raises its error."""
    endpoint.answer = lambda form: answer
    with ScriptedSMTPServer(tls="starttls", credentials={ME: "token-1"}, mechanisms=["XOAUTH2"]) as server:
        mailer = Mailer(server.url(tls="required"), username=ME, token=users(endpoint))
        with pytest.raises(error) as caught:
            send(mailer, is_async=is_async)
        assert not server.commits
    assert type(caught.value) is error
    assert caught.value.is_transient is is_transient
    assert caught.value.receipt is not None
    assert caught.value.receipt.recipients["zoe@example.com"].status == "deferred"


def test_many_connections_cost_one_token(endpoint: TokenEndpoint) -> None:
    """A pool of eight that opens at once asks the endpoint once."""
    with ScriptedSMTPServer(tls="starttls", credentials={ME: "token-1"}, mechanisms=["XOAUTH2"]) as server:
        mailer = Mailer(server.url(tls="required", pool=8), username=ME, token=users(endpoint))

        async def work() -> None:
            async with mailer:
                tally = await mailer.asend_many([message() for _ in range(80)]).finish()
                assert tally.accepted == 80

        asyncio.run(work())
        assert len(server.sessions) > 1
    assert len(endpoint.forms) == 1


# -- configuration ------------------------------------------------------------------------------------------------


def test_a_provider_from_the_configuration(endpoint: TokenEndpoint) -> None:
    """A mapping says what the constructor does; it is built with its mailer."""
    with ScriptedSMTPServer(
        tls="starttls", credentials={ME: "token-1"}, mechanisms=["OAUTHBEARER"]
    ) as server:
        modernmail.configure(
            {
                "default": {
                    "url": server.url(tls="required"),
                    "username": ME,
                    "token": {
                        "token_url": endpoint.url,
                        "client_id": "client",
                        "client_secret": SECRETS[0],
                        "refresh_token": SECRETS[1],
                        "http_on_loopback": True,
                    },
                }
            }
        )
        assert message().send().accepted
    assert endpoint.forms[0]["grant_type"] == "refresh_token"


@pytest.mark.parametrize(
    ("token", "why"),
    [
        ({"preset": "gmail", "client_id": "i", "client_secret": "s"}, "gmail needs a refresh_token"),
        ({"preset": "yahoo"}, "gmail or microsoft365"),
        ({"preset": "microsoft365", "client_id": "i", "client_secret": "s"}, "'tenant' is missing"),
        ({"preset": "microsoft365", "tenant": "a/b", "client_id": "i", "client_secret": "s"}, "tenant"),
        ({"client_id": "i", "client_secret": "s"}, "'token_url' is missing"),
        ({"token_url": "https://x.example", "client_id": "i"}, "'client_secret' is missing"),
        ({"token_url": "https://x.example", "client_id": "i", "client_secret": "s", "secret": "hush"}, "key as 'secret'"),
        ({"preset": "gmail", "client_id": "i", "client_secret": "s", "refresh_token": "r", "tenant": "x"}, "key as 'tenant'"),
        ({"token_url": "https://x.example", "client_id": "i", "client_secret": "", "refresh_token": "r"}, "client_secret"),
        ("the-token-itself", "not the token itself"),
        (5, "function"),
    ],
)  # fmt: skip
def test_mistakes_in_a_configuration_are_named(token: object, why: str) -> None:
    """The error names the key, and shows no value."""
    with pytest.raises(ConfigurationError, match=why) as caught:
        Mailer("smtp://mail.example.com", username=ME, token=token)  # type: ignore[arg-type]
    assert "hush" not in str(caught.value)
    assert "the-token-itself" not in str(caught.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: OAuth2ClientCredentials("http://idp.example/token", "i", "s"),
        lambda: OAuth2ClientCredentials("http://idp.example/token", "i", "s", http_on_loopback=True),
        lambda: OAuth2ClientCredentials("http://127.0.0.1/token", "i", "s"),
        lambda: OAuth2ClientCredentials("http://127.0.0.1.example/token", "i", "s", http_on_loopback=True),
        lambda: OAuth2ClientCredentials("https://", "i", "s"),
        lambda: OAuth2ClientCredentials("https://u:p@idp.example", "i", "s"),
        lambda: OAuth2ClientCredentials("https://idp.example:x", "i", "s"),
        lambda: OAuth2ClientCredentials("ftp://idp.example", "i", "s"),
        lambda: OAuth2ClientCredentials(None, "i", "s"),  # type: ignore[arg-type]
        lambda: OAuth2ClientCredentials("https://idp.example", "", "s"),
        lambda: OAuth2ClientCredentials("https://idp.example", "i", None),  # type: ignore[arg-type]
        lambda: OAuth2ClientCredentials("https://idp.example", "i", "s", client_auth="jwt"),
        lambda: OAuth2ClientCredentials("https://idp.example", "i", "s", margin=-1),
        lambda: OAuth2ClientCredentials("https://idp.example", "i", "s", timeout=0),
        lambda: OAuth2ClientCredentials("https://idp.example", "i", "s", ca="/nowhere.pem"),
        lambda: OAuth2RefreshToken("https://idp.example", "i", "s", ""),
        lambda: OAuth2RefreshToken("https://idp.example", "i", None, "r", client_auth="basic"),
        lambda: OAuth2RefreshToken("https://idp.example", "i", "s", "r", on_rotation=5),  # type: ignore[arg-type]
        lambda: OAuth2RefreshToken("https://idp.example", "i", "s", "r", on_rotation=asyncio.sleep),
    ],
)
def test_wrong_arguments_are_named(make: Callable[[], object]) -> None:
    """A mistake is told when the provider is made."""
    with pytest.raises(ConfigurationError):
        make()


def test_nothing_secret_is_shown_logged_or_pickled(
    endpoint: TokenEndpoint, caplog: pytest.LogCaptureFixture
) -> None:
    """`repr` says where the tokens come from; a pickle, which a queue would keep, is refused."""
    provider = users(endpoint)
    with caplog.at_level(logging.DEBUG):
        provider()
    assert repr(provider) == f"<OAuth2RefreshToken at 127.0.0.1:{endpoint.port}>"
    assert not any(secret in caplog.text + repr(provider) for secret in SECRETS)
    with pytest.raises(TypeError, match="holds secrets"):
        pickle.dumps(provider)


def test_a_provider_that_is_not_asked_imports_no_http() -> None:
    """Mail without OAuth2 imports no HTTP client."""
    import subprocess
    import sys

    script = (
        "import sys, modernmail; from modernmail.oauth2 import OAuth2RefreshToken as R;"
        "modernmail.Mailer('smtp://mail.example.com', username='me', token=R.gmail('i', 's', 'r'));"
        "print('urllib.request' in sys.modules, 'ssl' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == ["False", "False"]
