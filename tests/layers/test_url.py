"""Layers and backends of backends in a URL: what is outside comes first; each mistake is named, and no secret is."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from modernmail import Mailer, Message, configure, mailers
from modernmail.backends.composite import CompositeURL
from modernmail.errors import ConfigurationError
from modernmail.layers import (
    Archive,
    Layer,
    RateLimit,
    Redirect,
    Retry,
    SQLiteLimits,
    Suppress,
    register_layer,
)
from modernmail.layers.url import layers_from_url

if TYPE_CHECKING:
    from pathlib import Path


def test_layers_stand_around_a_backend() -> None:
    """From the outside in is from first to last; those of the URL stand behind those of the code."""
    mailer = Mailer(
        "redirect(retry(memory:)?max_attempts=7)?to=dev+qa@example.com", layers=[RateLimit("9/s")]
    )
    limit, guard, retry = mailer.layers
    assert isinstance(limit, RateLimit)
    assert isinstance(guard, Redirect)
    assert isinstance(retry, Retry)
    assert (str(guard.to), retry.max_attempts) == ("(Address('dev+qa@example.com'),)", 7)
    message = Message("Hi", "Text", from_email="me@example.com", to="customer@example.org")
    assert mailer.send(message).accepted == ("dev+qa@example.com",)


def test_every_option_has_its_reader(tmp_path: Path) -> None:
    """Times, numbers, lists, switches and stores are read from text."""
    path = quote(f"sqlite://{tmp_path}/limits.sqlite", safe="")
    layers, url = layers_from_url(
        "ratelimit(retry(redirect(suppress(archive(memory:)?backend=null:&to=a@example.com)"
        f"?store=sqlite://{tmp_path}/s)?allow=*@example.com,%20zoe@example.org,)"
        "?delay=0.5&factor=3&max_delay=9&jitter=0&deadline=60&unknown=on&max_attempts=2)"
        f"?limit=5000/day&burst=20&unit=recipients&patience=60&name=marketing&store={path}"
    )
    limit, retry, guard, suppress, archive = layers
    assert url == "memory:"
    assert isinstance(limit, RateLimit)
    assert isinstance(limit.store, SQLiteLimits)
    assert (limit.limit.number, limit.limit.burst, limit.unit, limit.patience, limit.name) == (
        5000, 20, "recipients", 60.0, "marketing",
    )  # fmt: skip
    assert isinstance(retry, Retry)
    assert (retry.delay, retry.factor, retry.max_delay, retry.jitter, retry.deadline, retry.unknown) == (
        0.5, 3.0, 9.0, 0.0, 60.0, True,
    )  # fmt: skip
    assert isinstance(guard, Redirect)
    assert guard.allow is not None
    assert guard.allow.texts == ("*@example.com", "zoe@example.org")
    assert isinstance(suppress, Suppress)
    assert isinstance(archive, Archive)


def test_fields_in_a_url() -> None:
    """Defaults and overrides take a field by its name, addresses and tags by lists."""
    mailer = Mailer(
        "defaults(overrides(memory:)?header.X-Env=staging&tags=a,b)"
        "?header.X-Env=?&header.Auto-Submitted=auto-generated&reply_to=help+1@example.com,b@example.com"
    )
    mailer.send(Message("Hi", "Text", from_email="me@example.com", to="zoe@example.com"))
    (sent,) = mailer.backend.messages  # type: ignore[attr-defined]
    assert sent.headers.get_all("X-Env") == ("staging",)
    assert sent.headers.get_all("X-Tag") == ("a", "b")
    assert sent.headers.get("Auto-Submitted") == "auto-generated"
    assert [address.addr_spec for address in sent.reply_to] == ["help+1@example.com", "b@example.com"]


def test_an_empty_list_lets_nothing_out() -> None:
    """A guard whose variable was empty when the URL was made is closed."""
    (guard,) = Mailer("redirect(memory:)?to=").layers
    assert isinstance(guard, Redirect)
    assert guard.to == ()


def test_layers_in_the_configuration() -> None:
    """`configure` takes such URLs."""
    configure({"default": "redirect(memory:)?to=dev@example.com"})
    try:
        message = Message("Hi", "Text", from_email="me@example.com", to="customer@example.org")
        assert message.send().accepted == ("dev@example.com",)
        assert len(mailers["default"].layers) == 1
    finally:
        configure({})


def test_own_layers_have_names() -> None:
    """A third party's layer is made from its options, which are text."""

    class Mine(Layer):
        def __init__(self, options: object) -> None:
            self.options = options

    register_layer("mine-too", Mine)
    (layer,) = Mailer("Mine-Too(memory:)?a=1&b=%26").layers
    assert isinstance(layer, Mine)
    assert layer.options == {"a": "1", "b": "&"}
    with pytest.raises(ConfigurationError, match="cannot be the name"):
        register_layer("retry", Mine)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("retry()", "is empty"),
        ("retry(smtp://user:secret@a smtp://user:secret@b)", "stands around one backend"),
        ("retry(smtp://user:secret@a", "lacks its closing parenthesis"),
        ("retry(smtp://user:secret@a)x", "nothing but"),
        ("retry(memory:)?max_attempts=2&max_attempts=3", "stands twice"),
        ("retry(memory:)?attempts=2", "no option 'attempts'; there are max_attempts, delay"),
        ("retry(memory:)?max_attempts=many", "max_attempts='many': must be a whole number"),
        ("retry(memory:)?delay=soon", "delay='soon'"),
        ("retry(memory:)?unknown=yes", "unknown='yes': must be on or off"),
        ("ratelimit(memory:)", "needs the option limit"),
        ("ratelimit(memory:)?limit=1/s&store=postgres://user:secret@x", "store: must be sqlite"),
        ("suppress(memory:)?store=redis://x", "store: must be sqlite"),
        ("redirect(memory:)", "Redirect needs to="),
        (
            "tries(smtp://user:secret@a)",
            r"no layer and no backend of backends named tries\(…\); there are the layers archive\(…\), defaults",
        ),
        ("failover(retry(smtp://user:secret@a))", "stands around all of them, not inside"),
        ("redirect(failover(tries(smtp://user:secret@a)))?to=a@b.example", r"named tries\(…\)"),
        ("defaults(memory:)", "needs headers, reply_to or tags"),
        ("defaults(memory:)?header=x", "no option 'header'; there are header.NAME, reply_to"),
        ("defaults(memory:)?header.=x", "the name of a header is missing"),
        ("overrides(memory:)?header.From=x", "from_email"),
        ("overrides(memory:)?header.X-A=1%0d%0aBcc:%20x", "X-A"),
        ("dkim(memory:)?domain=example.com&selector=a", "needs the option key"),
        ("retry(nowhere://user:secret@a)", "no backend for the scheme 'nowhere'"),
    ],
)
def test_mistakes_are_named_and_secrets_are_not(url: str, why: str) -> None:
    """The error says what is wrong; user names and passwords of members are in none."""
    with pytest.raises(ConfigurationError, match=why) as caught:
        Mailer(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["smtp://user:pa(ss@host", "smtp://a?x=(", "", 5, "((", "a b(c)"])
def test_other_urls_are_left_alone(url: object) -> None:
    """A parenthesis somewhere does not make a composite."""
    assert not CompositeURL.matches(url)
