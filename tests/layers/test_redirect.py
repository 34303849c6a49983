"""Redirect: the staging guard lets mail out only to whom it should, and to nobody when in doubt."""

from __future__ import annotations

import email
import email.policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modernmail import Address, Envelope, Mailer, Message
from modernmail.errors import ConfigurationError, InvalidAddress, MailError, Withheld
from modernmail.layers import Layer, Redirect, Retry
from modernmail.layers.pattern import Patterns


def message() -> Message:
    """Return a mail to three people, one of them unseen."""
    return Message(
        "Hi", "Text.\n", from_email="me@example.com", to="ann@example.com", cc="Böb <bob@example.org>",
        bcc="zoe@bücher.example",
    )  # fmt: skip


def test_everything_goes_to_the_given_addresses() -> None:
    """To, Cc and Bcc are replaced in the envelope, named in a header, and the content still shows To and Cc."""
    mailer = Mailer("memory:", layers=[Redirect(to=["dev@example.com", "qa@example.com"])])
    receipt = mailer.send(message().dsn(notify="failure", recipients={"ann@example.com": "never"}))
    assert receipt.accepted == ("dev@example.com", "qa@example.com")
    (parcel,) = mailer.backend.outbox  # type: ignore[attr-defined]
    assert parcel.envelope.recipients == ("dev@example.com", "qa@example.com")
    assert parcel.envelope.return_path == "me@example.com"
    assert parcel.envelope.dsn is None
    read = email.message_from_bytes(bytes(parcel.content), policy=email.policy.default)
    assert read["X-Original-Recipients"] == "ann@example.com, bob@example.org, zoe@xn--bcher-kva.example"
    assert read["To"] == "ann@example.com"
    assert "Böb" in read["Cc"]


def test_only_those_who_are_allowed_get_it() -> None:
    """The others are rejected with a reason; the content is untouched, so that nobody learns of a blind copy."""
    mailer = Mailer("memory:", layers=[Redirect(allow=["*@example.com"])])
    receipt = mailer.send(message())
    assert receipt.accepted == ("ann@example.com",)
    assert {name: str(outcome) for name, outcome in receipt.refused.items()} == dict.fromkeys(
        ("bob@example.org", "zoe@bücher.example"), "rejected: the staging guard does not allow this recipient"
    )
    (parcel,) = mailer.backend.outbox  # type: ignore[attr-defined]
    assert b"X-Original" not in bytes(parcel.content)


@pytest.mark.parametrize(
    "guard", [Redirect(to=[]), Redirect(allow=[]), Redirect(allow=["*@elsewhere.example"])], ids=repr
)
def test_it_fails_closed(guard: Redirect) -> None:
    """An empty list, or one that allows none of them, lets nothing out, and `send` raises `Withheld`."""
    mailer = Mailer("memory:", layers=[guard])
    with pytest.raises(Withheld, match="nothing was sent") as caught:
        mailer.send(message())
    assert caught.value.receipt is not None
    assert caught.value.receipt.count("rejected") == 3
    assert not mailer.backend.outbox  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("pattern", "address", "expected"),
    [
        ("*@example.com", "a@example.com", True),
        ("*@example.com", "A@EXAMPLE.COM", True),
        ("*@example.com", "a@sub.example.com", False),
        ("*@example.com", "a@example.com.evil.example", False),
        ("*@example.com", '"x@example.com"@evil.example', False),
        ("*@example.com", '"x@evil.example"@example.com', True),
        ("*@*.example.com", "a@x.y.example.com", True),
        ("*@*example.com", "a@evilexample.com", True),
        ("qa-*@example.com", "qa-7@example.com", True),
        ("qa-*@example.com", "qa@example.com", False),
        ("zoe@bücher.example", "zoe@xn--bcher-kva.example", True),
        ("zoe@xn--bcher-kva.example", "zoe@bücher.example", True),
        ("z.e@example.com", "zoe@example.com", False),
        ("[a-z]@example.com", "b@example.com", False),
        ("*@*", "root", False),
    ],
)
def test_patterns(pattern: str, address: str, expected: bool) -> None:
    """A star stands for anything on its side of the last @, all else for itself, in any letter case."""
    assert Patterns("allow", pattern).matches(Address(address)) is expected


@given(
    st.lists(st.from_regex(r"[a-z*]{1,6}@[a-z*]{1,6}\.(com|org)", fullmatch=True), max_size=4),
    st.from_regex(r"[a-z]{1,4}@[a-z]{1,4}\.(com|org)", fullmatch=True),
)
def test_patterns_agree_with_a_slow_matcher(patterns: list[str], address: str) -> None:
    """The compiled patterns say what matching character by character says, asked twice too."""

    def slow(pattern: str, text: str) -> bool:
        if not pattern:
            return not text
        if pattern[0] == "*":
            return slow(pattern[1:], text) or (bool(text) and slow(pattern, text[1:]))
        return bool(text) and pattern[0] == text[0] and slow(pattern[1:], text[1:])

    local, _, domain = address.partition("@")
    expected = any(
        slow(pattern.partition("@")[0], local) and slow(pattern.partition("@")[2], domain)
        for pattern in patterns
    )
    found = Patterns("allow", patterns)
    assert [found.matches(Address(address)) for _ in range(2)] == [expected, expected]


def test_an_attempt_after_a_deferral_goes_no_further() -> None:
    """A retried mail is the redirected one."""
    from modernmail.testing import Rule, ScriptedSMTPServer

    rules = [Rule("RCPT", nth=1).reply("450 4.2.1 later")]
    with ScriptedSMTPServer(rules) as server:
        layers: list[Layer] = [Redirect(to="dev@example.com"), Retry(delay=0.001)]
        with Mailer(server.url(), layers=layers) as mailer:
            receipt = mailer.send(message())
        assert receipt.accepted == ("dev@example.com",)
        assert receipt.envelope is not None
        assert receipt.envelope.recipients == ("dev@example.com",)
        (commit,) = server.commits
        assert commit.recipients == ("dev@example.com",)


def test_a_domain_in_unicode_may_have_a_star_beside_it() -> None:
    """The labels beside the star are compared as A-labels, as without one."""
    guard = Redirect(allow=["*@*.bücher.example"])
    receipt = Mailer("memory:", layers=[guard]).send(
        message(), envelope=Envelope("me@example.com", ["a@x.bücher.example", "a@y.example"])
    )
    assert receipt.accepted == ("a@x.bücher.example",)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"to": ["a@example.com"], "allow": ["*@*"]},
        {"to": ["a@"]},
        {"allow": ["example.com"]},
        {"allow": ["@example.com"]},
        {"allow": ["*@"]},
        {"allow": ["a b@example.com"]},
        {"allow": [None]},
        {"allow": 5},
        {"allow": ["*@b*ü.example"]},
        {"to": "a@example.com", "header": ["X-A"]},
        {"to": "a@example.com", "header": "no header"},
        {"to": "a@example.com", "header": "Bcc"},
    ],
    ids=str,
)
def test_wrong_arguments_are_refused(wrong: dict[str, object]) -> None:
    """A guard that could not guard cannot be made."""
    with pytest.raises(MailError) as caught:
        Redirect(**wrong)  # type: ignore[arg-type]
    assert not isinstance(caught.value, InvalidAddress) or isinstance(caught.value, ConfigurationError)
