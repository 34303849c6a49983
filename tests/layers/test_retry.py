"""Retry: what is safe is tried again, after growing delays, within a deadline; what may have arrived never is."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from modernmail import Mailer, Message
from modernmail.errors import ConfigurationError, ConnectFailed, OutcomeUnknown, RecipientsRefused
from modernmail.layers import Retry
from modernmail.testing import Rule, ScriptedSMTPServer, check_layer

QUICK = {"delay": 0.001, "jitter": 0.0}


def message(*to: str) -> Message:
    """Return a small mail."""
    return Message("Hi", "Text.\n", from_email="me@example.com", to=list(to or ("ann@example.com",)))


@pytest.mark.parametrize("is_async", [False, True])
def test_deferred_recipients_are_tried_again(is_async: bool) -> None:
    """A 4xx is tried again for that recipient alone; each gets the mail once."""
    rules = [Rule("RCPT", contains="bob@", nth=2).reply("451 4.7.1 greylisted")]
    with (
        ScriptedSMTPServer(rules) as server,
        Mailer(server.url(), layers=[Retry(**QUICK)]) as mailer,
    ):
        letter = message("ann@example.com", "bob@example.com")
        receipt = asyncio.run(mailer.asend(letter)) if is_async else mailer.send(letter)
        assert receipt.is_complete
        assert receipt.attempts == 2
        assert [commit.recipients for commit in server.commits] == [
            ("ann@example.com",),
            ("bob@example.com",),
        ]
        assert server.commits[0].content == server.commits[1].content


@pytest.mark.parametrize(
    "rule",
    [
        Rule("CONNECT", session=1).reply("421 4.3.2 busy").close(),
        Rule("MAIL", session=1).close(),
        Rule("DATA", session=1).reset(),
        Rule("MAIL", session=1).reply("451 4.3.0 later"),
        Rule("BODY", session=1).reply("451 4.3.0 later"),
    ],
    ids=["greeting", "lost at MAIL", "reset at DATA", "MAIL deferred", "content deferred"],
)
def test_what_was_not_sent_is_tried_again(rule: Rule) -> None:
    """A connection lost before the content was sent, and a transient refusal, are tried again."""
    # The connection's first session goes wrong; a second attempt may use the same one, where that still works.
    import dataclasses

    once = dataclasses.replace(rule, nth=1)
    with ScriptedSMTPServer([once]) as server, Mailer(server.url(), layers=[Retry(**QUICK)]) as mailer:
        assert mailer.send(message()).is_complete
        assert len(server.commits) == 1


def test_unknown_is_not_tried_again_unless_told() -> None:
    """Who may have got the mail gets it a second time only with `unknown=True`."""
    for unknown in (False, True):
        with ScriptedSMTPServer([Rule("BODY", session=1).commit().close()]) as server:
            mailer = Mailer(server.url(), layers=[Retry(unknown=unknown, **QUICK)])
            if unknown:
                assert mailer.send(message()).is_complete
            else:
                with pytest.raises(OutcomeUnknown):
                    mailer.send(message())
            mailer.close()
            assert len(server.commits) == (2 if unknown else 1)
    check_layer(lambda: Retry(unknown=True), resends_unknown=True)


@pytest.mark.parametrize(
    ("rule", "error"),
    [
        (Rule("RCPT").reply("550 5.1.1 no such user"), RecipientsRefused),
        (Rule("CONNECT").reply("554 5.3.2 go away").close(), ConnectFailed),
    ],
    ids=["RCPT", "greeting"],
)
def test_what_will_not_be_better_is_not_tried_again(rule: Rule, error: type[Exception]) -> None:
    """A 5xx is final, to a recipient or to everybody who connects."""
    with ScriptedSMTPServer([rule]) as server, Mailer(server.url(), layers=[Retry(**QUICK)]) as mailer:
        with pytest.raises(error) as caught:
            mailer.send(message())
        assert caught.value.receipt.attempts == 1  # type: ignore[attr-defined]
        assert len(server.sessions) == 1


def test_it_gives_up_after_its_attempts() -> None:
    """The last attempt's answer is what the caller gets."""
    rules = [Rule("RCPT").reply("450 4.2.1 later")]
    with ScriptedSMTPServer(rules) as server, Mailer(server.url(), layers=[Retry(4, **QUICK)]) as mailer:
        with pytest.raises(RecipientsRefused, match=r"450 4\.2\.1 later") as caught:
            mailer.send(message())
        assert caught.value.receipt.attempts == 4
        assert sum(step.name == "RCPT" for session in server.sessions for step in session.steps) == 4


def test_it_gives_up_at_its_deadline() -> None:
    """No attempt begins that could not begin within the deadline."""
    rules = [Rule("RCPT").reply("450 4.2.1 later")]
    layer = Retry(10, delay=timedelta(milliseconds=20), factor=1, jitter=0, deadline=0.05)
    with ScriptedSMTPServer(rules) as server, Mailer(server.url(), layers=[layer]) as mailer:
        with pytest.raises(RecipientsRefused) as caught:
            mailer.send(message())
        assert 1 <= caught.value.receipt.attempts <= 3


def test_delays_grow_to_their_maximum() -> None:
    """Exponential, bounded, whatever the number of attempts; jitter only shortens."""
    layer = Retry(delay=1, factor=3, max_delay=10, jitter=0)
    assert [layer.delay_after(attempts) for attempts in (1, 2, 3, 4, 10_000)] == [1, 3, 9, 10, 10]
    assert Retry(delay=0, jitter=0).delay_after(10_000) == 0
    found = {Retry(delay=8, max_delay=8, jitter=0.5).delay_after(1) for _ in range(100)}
    assert len(found) > 1
    assert all(4 <= delay <= 8 for delay in found)


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_attempts": 0},
        {"factor": None},
        {"factor": "2"},
        {"jitter": "0.5"},
        {"max_attempts": 2.5},
        {"max_attempts": True},
        {"delay": -1},
        {"delay": "soon"},
        {"delay": float("nan")},
        {"factor": 0.5},
        {"max_delay": 0.5},
        {"jitter": 2},
        {"deadline": timedelta(seconds=-1)},
    ],
    ids=str,
)
def test_wrong_arguments_are_named(wrong: dict[str, object]) -> None:
    """Each is a ConfigurationError that names the argument."""
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        Retry(**wrong)  # type: ignore[arg-type]
