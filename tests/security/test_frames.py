"""Programs that report errors show the variables of each frame: none of them holds a secret, however a login failed."""

from __future__ import annotations

import traceback
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import pytest

import modernmail
from modernmail import Mailer
from modernmail.errors import ConfigurationError, DeliveryError
from modernmail.testing import Rule, ScriptedSMTPServer

from .sender import FACES, PASSWORD, SECRETS, USER, letter, send

if TYPE_CHECKING:
    from collections.abc import Iterator

BEARERS = tuple(
    b64encode(text.encode()).decode()[
        12:-12
    ]  # what stands before and behind it is of no length that one knows
    for text in (
        f"user={USER}\1auth=Bearer {PASSWORD}\1\1",
        f"n,a={USER},\1host=127.0.0.1\1port=1234\1auth=Bearer {PASSWORD}",
    )
)
FAULTS = {
    "refused": Rule("AUTHDATA").reply("535 5.7.8 no"),
    "closed": Rule("AUTHDATA").close(),
    "silent": Rule("AUTHDATA").hang(),
    "no SMTP": Rule("AUTHDATA").reply("what?"),
}


def variables(error: BaseException) -> Iterator[str]:
    """Give what an error report shows: all variables of the frames below the test's own, of every error in the chain."""
    left: list[BaseException | None] = [error]
    seen: list[BaseException] = []
    while left:
        one = left.pop()
        if one is None or one in seen:
            continue
        seen.append(one)
        left += (one.__cause__, None if one.__suppress_context__ else one.__context__)
        trace = one.__traceback__
        while trace is not None:
            if "/tests/" not in trace.tb_frame.f_code.co_filename:
                name = trace.tb_frame.f_code.co_qualname
                yield from (f"{name}.{key}: {value!r}" for key, value in trace.tb_frame.f_locals.items())
            trace = trace.tb_next


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2", "OAUTHBEARER"])
def test_no_variable_of_a_frame_holds_a_secret(mechanism: str, fault: str, face: str) -> None:
    """Neither a password or a token, nor what is said in its place, is in what an error carries along."""
    rules = [FAULTS[fault]]
    if mechanism not in ("LOGIN", "CRAM-MD5"):
        rules.append(Rule("AUTH").reply("334 "))  # then what is secret is a line of its own
    is_token = "AUTH" in mechanism
    login = {"token": lambda: PASSWORD} if is_token else {"password": PASSWORD}
    with ScriptedSMTPServer(rules, credentials={USER: "x"}, mechanisms=[mechanism], time_scale=0.1) as server:
        error = send(Mailer(server.url(tls="off", timeout=0.3), username=USER, **login), face)
    assert isinstance(error, DeliveryError)
    shown = list(variables(error))
    assert len(shown) > 5
    assert [line for line in shown if any(secret in line for secret in (*SECRETS, *BEARERS))] == []


URLS = (
    "smtp://zoe:s3cret@mail.example.com?colour=red",
    "smtp://zoe:s3cret@mail.example.com:99999",
    "smtp://zoe:s3cret@",
    "retry(smtp://zoe:s3cret@mail.example.com)?colour=red",
    "failover(smtp://zoe:s3cret@mail.example.com smtp://)",
)


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("way", ["Mailer", "configure", "mapping", "environment"])
def test_no_variable_of_a_frame_holds_a_url(way: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake in the URL of a server is told without the password that is in it, wherever the URL came from."""
    if way == "environment":
        monkeypatch.setenv("MODERNMAIL_URL", url)
    settings: dict[str, Any] = {"configure": {"default": url}, "mapping": {"default": {"url": url}}}
    modernmail.configure(settings.get(way, {}))
    with pytest.raises(ConfigurationError) as caught:
        Mailer(url) if way == "Mailer" else letter().send()
    modernmail.configure({})
    assert "s3cret" not in "\n".join(variables(caught.value))


def test_no_variable_of_a_frame_holds_what_a_login_is_made_of() -> None:
    """Nor do a password and the secrets of a token provider stand in one, when they were given beside the URL."""
    preset = {"preset": "gmail", "client_id": "x", "client_secret": "s3cret", "colour": "red"}
    for login in ({"password": "s3cret"}, {"username": "zoe", "password": "s3cret\0"}, {"token": preset}):
        with pytest.raises(ConfigurationError) as caught:
            Mailer("smtp://mail.example.com", **login)
        assert "s3cret" not in "\n".join(variables(caught.value))


def test_an_error_that_is_being_handled_keeps_its_frames() -> None:
    """What failed before, and is why the mail is sent, is not ours to forget."""

    def fails(mailer: Mailer) -> None:
        try:
            raise LookupError
        except LookupError:
            send(mailer, "sync")
            raise

    with ScriptedSMTPServer([FAULTS["closed"]], credentials={USER: "x"}, mechanisms=["LOGIN"]) as server:
        url = server.url(username=USER, password=PASSWORD, tls="off")
        with pytest.raises(LookupError) as caught:
            fails(Mailer(url))
    assert [session.end for session in server.sessions] == ["closed"]
    assert "raise LookupError" in "".join(traceback.format_exception(caught.value))
