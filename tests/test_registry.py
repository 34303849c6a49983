"""The mailers of a program by name: `configure`, `mailers` and the environment."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

import modernmail
from modernmail import Address, Mailer, Message, configure, mailers, send_mail
from modernmail.errors import ConfigurationError, InvalidAddress
from modernmail.testing import ScriptedSMTPServer

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def unconfigured(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No mailer is configured, before and after."""
    monkeypatch.delenv("MODERNMAIL_URL", raising=False)
    monkeypatch.delenv("MODERNMAIL_FROM", raising=False)
    configure({})
    yield
    configure({})


def test_without_configuration_the_error_says_the_two_ways() -> None:
    """An unconfigured send_mail names the call and the environment variable."""
    with pytest.raises(ConfigurationError) as caught:
        send_mail("x", "x", "a@example.com", ["b@example.com"])
    assert "modernmail.configure({'default': 'smtp://…'})" in str(caught.value)
    assert "MODERNMAIL_URL" in str(caught.value)
    assert "default" not in mailers


def test_without_a_default_the_error_names_the_mailers_there_are() -> None:
    """Who configured mailers, but none named default, reads their names, and that using= names one."""
    configure({"marketing": "memory:", "receipts": "memory:"})
    with pytest.raises(ConfigurationError, match=r"'default'; configured: marketing, receipts; .*using="):
        send_mail("x", "x", "a@example.com", ["b@example.com"])


def test_all_mailers_close_at_once() -> None:
    """`mailers.close()` closes the connections of each mailer that was used, and builds none; all may be used again."""
    with ScriptedSMTPServer() as server:
        configure(
            {"default": server.url(), "other": server.url(), "unused": "smtp://"}
        )  # the last cannot be built
        mail = Message("x", from_email="a@example.com", to="b@example.com")
        for name in ("default", "other"):
            mail.send(using=name)
        mailers.close()
        server.wait_until_idle()
        assert [session.end for session in server.sessions] == ["quit", "quit"]
        assert mail.send().accepted


def test_all_mailers_close_under_asyncio_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """`await mailers.aclose()` closes what sending has opened in this loop, of the mailer of the environment too."""

    async def send_and_close() -> None:
        await Message("x", from_email="a@example.com", to="b@example.com").asend()
        await mailers.aclose()

    with ScriptedSMTPServer() as server:
        monkeypatch.setenv("MODERNMAIL_URL", server.url())
        asyncio.run(send_and_close())
        server.wait_until_idle()
        assert [session.end for session in server.sessions] == ["quit"]


def test_configure_by_url_and_by_mapping() -> None:
    """A name means a URL, or a mapping with `url`, `username`, `password` and `from_email`; values there are literal."""
    configure({
        "default": "memory:",
        "marketing": {"url": "smtp://mail.example.com", "username": "zo:e@x", "password": "50%/?#",
                      "from_email": "M <m@example.com>"},
    })  # fmt: skip
    assert sorted(mailers) == ["default", "marketing"]
    settings = mailers["marketing"].backend.settings  # type: ignore[attr-defined]
    assert (settings.username, settings.password) == ("zo:e@x", "50%/?#")
    assert mailers["marketing"].from_email == Address("M <m@example.com>")
    assert mailers["default"].from_email is None
    assert "marketing" in mailers
    assert "other" not in mailers


def test_values_in_the_mapping_win_over_the_url() -> None:
    """User and password beside the URL replace those in it; None leaves them."""
    configure({"default": {"url": "smtp://a:b@mail.example.com", "username": "c", "password": "d"}})
    assert mailers["default"].backend.settings.username == "c"  # type: ignore[attr-defined]
    configure({"default": {"url": "smtp://a:b@mail.example.com", "username": None}})
    assert mailers["default"].backend.settings.username == "a"  # type: ignore[attr-defined]


def test_a_mailer_is_built_once() -> None:
    """The same name is the same mailer, until something else is configured."""
    configure({"default": "memory:"})
    first = mailers["default"]
    assert mailers["default"] is first
    configure({"default": "memory:"})
    assert mailers["default"] is not first


def test_threads_get_the_same_mailer() -> None:
    """Who comes first builds it; nobody gets another."""
    configure({"default": "memory:"})
    barrier = threading.Barrier(8)
    found: list[Mailer] = []

    def ask() -> None:
        barrier.wait()
        found.append(mailers["default"])

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert set(found) == {mailers["default"]}


def test_the_environment_configures_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """MODERNMAIL_URL is the default mailer, MODERNMAIL_FROM its sender; a change of theirs is seen."""
    monkeypatch.setenv("MODERNMAIL_URL", "memory:")
    monkeypatch.setenv("MODERNMAIL_FROM", "Shop <shop@example.com>")
    assert "default" in mailers
    mailer = mailers["default"]
    assert mailer.from_email == Address("Shop <shop@example.com>")
    assert mailers["default"] is mailer
    monkeypatch.setenv("MODERNMAIL_FROM", "other@example.com")
    assert mailers["default"].from_email == Address("other@example.com")
    monkeypatch.setenv("MODERNMAIL_URL", "")
    with pytest.raises(ConfigurationError, match="no mailer is configured"):
        mailers["default"]


def test_configure_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the program says counts; a sender from the environment fills in where none is given."""
    monkeypatch.setenv("MODERNMAIL_URL", "console:")
    monkeypatch.setenv("MODERNMAIL_FROM", "env@example.com")
    configure({"default": {"url": "memory:", "from_email": "own@example.com"}, "other": "memory:"})
    assert type(mailers["default"].backend).__name__ == "MemoryBackend"
    assert mailers["default"].from_email == Address("own@example.com")
    assert mailers["other"].from_email == Address("env@example.com")


def test_an_unknown_name_lists_those_there_are() -> None:
    """The error names the mailer asked for, and the configured ones."""
    configure({"b": "memory:", "a": "memory:"})
    assert repr(mailers) == "<Mailers: a, b>"
    with pytest.raises(ConfigurationError, match=r"no mailer is named 'marketing'; configured: a, b$"):
        Message("x", from_email="a@example.com", to="b@example.com").send(using="marketing")
    with pytest.raises(ConfigurationError, match="the name of a mailer is a str, not list"):
        Message("x", from_email="a@example.com", to="b@example.com").send(using=["a"])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ("smtp://zoe:s3cret@h.example", "a mapping of names to URLs is expected, such as {'default': 'smtp://…'}, not str"),
        (None, "not NoneType"),
        ({"default": None}, "mailer 'default': must be a URL (a str), a Mailer, or a mapping with at least 'url'"),
        ({"default": {"host": "h.example"}}, "a Mailer, or a mapping with at least 'url'"),
        ({"default": {"url": "memory:", "user": "zoe"}}, "mailer 'default': no such key as 'user'; there are url, username"),
    ],
)  # fmt: skip
def test_what_cannot_be_configured(settings: object, told: str) -> None:
    """The error names the mailer and the key; what was configured before stays."""
    configure({"default": "memory:"})
    with pytest.raises(ConfigurationError) as caught:
        configure(settings)  # type: ignore[arg-type]
    assert told in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert "default" in mailers


def test_a_wrong_url_is_an_error_at_first_use() -> None:
    """The URL is read when its mailer is asked for."""
    configure({"default": "smpt://mail.example.com"})
    with pytest.raises(ConfigurationError, match="'smpt'"):
        mailers["default"]


def test_an_error_says_where_the_setting_came_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong URL or sender names the mailer, or the environment variable, that holds it."""
    configure({"ads": {"url": "memory:", "from_email": "a@"}, "news": "smtp://zoe:s3cret@h.example?tls=on"})
    with pytest.raises(InvalidAddress, match=r"^mailer 'ads': from_email: 'a@'"):
        mailers["ads"]
    with pytest.raises(ConfigurationError, match=r"^mailer 'news': tls='on': must be") as caught:
        mailers["news"]
    assert "s3cret" not in str(caught.value)
    configure({})
    monkeypatch.setenv("MODERNMAIL_URL", "smpt://mail.example.com")
    with pytest.raises(
        ConfigurationError, match=r"^MODERNMAIL_URL: there is no backend for the scheme 'smpt'"
    ):
        mailers["default"]
    monkeypatch.setenv("MODERNMAIL_URL", "memory:")
    monkeypatch.setenv("MODERNMAIL_FROM", "a@")
    with pytest.raises(InvalidAddress, match=r"^MODERNMAIL_FROM: 'a@'"):
        mailers["default"]


def test_message_send_uses_the_mailers() -> None:
    """`message.send()` and `asend()` find the mailer by name."""
    configure({"default": "memory:", "other": "memory:"})
    message = Message("x", from_email="a@example.com", to="b@example.com")
    assert message.send().accepted == ("b@example.com",)
    assert asyncio.run(message.asend(using="other")).accepted == ("b@example.com",)
    for name in ("default", "other"):
        assert len(modernmail.mailers[name].backend.outbox) == 1  # type: ignore[attr-defined]


def test_a_secret_of_pydantic_is_asked_for_its_text() -> None:
    """A password that is no text is refused in words that do not show it, and say how settings classes give it."""

    class SecretStr:
        def get_secret_value(self) -> str:
            return "hidden"

    setting = {"url": "smtp://mail.example.com", "username": "shop", "password": SecretStr()}
    configure({"default": setting})
    with pytest.raises(
        ConfigurationError, match=r"password must be a str, not SecretStr.*get_secret_value"
    ) as caught:
        mailers["default"]
    assert "hidden" not in str(caught.value)
    configure({"default": setting | {"password": 12345}})
    with pytest.raises(ConfigurationError, match="password must be a str, not int"):
        mailers["default"]
