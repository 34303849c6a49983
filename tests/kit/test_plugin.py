"""The test kit for users: the fixture `outbox`, and the guard that lets no test send real mail by accident."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

import modernmail
from modernmail import Address, Attachment, Mailer, Message, asend_mail, send_mail
from modernmail.backends import interception
from modernmail.errors import ConfigurationError, InvalidMessage
from modernmail.layers import Layer
from modernmail.testing import Outbox, ScriptedSMTPServer

if TYPE_CHECKING:
    from modernmail.parcel import Parcel
    from modernmail.runtime import IO

pytest_plugins = ["pytester"]

FAR = "smtp://zoe:s3cret@mail.example.com"


# -- the fixture


def test_every_mailer_delivers_to_the_outbox(outbox: Outbox) -> None:
    """Whatever the URL, sync and async, one or many: the mail is in the outbox, in the order of sending."""
    modernmail.configure({"default": FAR, "other": "console:"})
    send_mail("1", "text", "me@example.com", ["zoe@example.com"])
    asyncio.run(asend_mail("2", "text", "me@example.com", ["zoe@example.com"], using="other"))
    mailer = Mailer(FAR, from_email="me@example.com")
    mailer.send_many([Message("3", to="zoe@example.com"), Message("4", to="zoe@example.com")]).finish()
    assert [mail.subject for mail in outbox] == ["1", "2", "3", "4"]
    assert len(outbox) == 4
    assert outbox[-1].from_email == Address("me@example.com")
    modernmail.configure({})


def test_an_item_has_the_words_of_a_message(outbox: Outbox) -> None:
    """Subject, bodies, people (Bcc too), attachments and links are as they were given; the receipt is the sender's."""
    attachments = [
        Attachment("naïve.pdf", b"%PDF", "application/pdf"),
        Attachment("data.csv", "a,b\n"),
        Attachment("logo.png", b"\x89PNG", disposition="inline", content_id="logo"),
        Attachment(None, b"x", "application/octet-stream"),
    ]
    message = Message(
        "Grüße",
        "Hello\nhttps://example.com/text\n",
        '<a href="https://example.com/html">Hello</a><img src="cid:logo">',
        from_email="Shop <shop@example.com>",
        to=["Zoë <zoe@bücher.example>"],
        cc="cc@example.com",
        bcc=["bcc@example.com"],
        reply_to="answers@example.com",
        headers={"X-Campaign": "autumn"},
        attachments=attachments,
    )
    receipt = Mailer(FAR).send(message)
    mail = outbox.one()
    assert mail.subject == "Grüße"
    assert mail.text == "Hello\nhttps://example.com/text\n"
    assert mail.html == message.html
    assert mail.from_email == message.from_email
    assert mail.to == message.to
    assert mail.cc == message.cc
    assert mail.bcc == message.bcc
    assert mail.reply_to == message.reply_to
    assert mail.recipients == message.recipients
    assert sorted(mail.attachments, key=repr) == sorted(attachments, key=repr)
    assert mail.header("x-campaign") == "autumn"
    assert mail.header("X-Other") is None
    assert mail.receipt == receipt
    assert mail.envelope.return_path == "shop@example.com"
    assert mail.links() == ["https://example.com/html", "https://example.com/text"]
    assert "Grüße" in repr(mail)


def test_the_text_of_a_simple_mail_is_as_it_was_given(outbox: Outbox) -> None:
    """The line end that the wire adds is not shown; a mail without HTML has none, and no From no author."""
    mailer = Mailer("null:", from_email="me@example.com")
    mailer.send(Message("1", "Hello", to="zoe@example.com"))
    mailer.send(Message("2", html="<p>Hello</p>", to="zoe@example.com"))
    assert outbox[0].text == "Hello"
    assert outbox[0].html is None
    assert outbox[1].text is None
    assert outbox[1].html == "<p>Hello</p>"


def test_one_finds_by_recipient_subject_and_author(outbox: Outbox) -> None:
    """`to` is any recipient, Bcc too; a subject is whole or a pattern; all that is given must hold."""
    mailer = Mailer("null:")
    mailer.send(Message("Welcome", from_email="a@example.com", to="zoe@example.com", bcc="log@example.com"))
    mailer.send(Message("Invoice 42", from_email="b@example.com", to=["Zoë <zoe@EXAMPLE.com>"]))
    assert outbox.one(to="log@example.com").subject == "Welcome"
    assert outbox.one(subject="Welcome").subject == "Welcome"
    assert outbox.one(to="Someone <zoe@example.com>", subject=re.compile(r"\d+")).subject == "Invoice 42"
    assert outbox.one(from_email=Address("b@example.com")).subject == "Invoice 42"
    assert [mail.subject for mail in outbox.find(to="zoe@example.com")] == ["Welcome", "Invoice 42"]
    assert outbox.find(subject="welcome") == []


def test_one_says_what_there_is(outbox: Outbox) -> None:
    """None or several is an AssertionError that lists the outbox and marks what was found."""
    with pytest.raises(AssertionError, match=r"^expected one mail, found none; the outbox is empty$"):
        outbox.one()
    mailer = Mailer("null:", from_email="me@example.com")
    for subject, to in (("A", "zoe@example.com"), ("A", "bob@example.com"), ("B", "bob@example.com")):
        mailer.send(Message(subject, to=to))
    with pytest.raises(AssertionError) as caught:
        outbox.one(to="bob@example.com", subject=re.compile("A|B"))
    assert str(caught.value).splitlines() == [
        "expected one mail with to='bob@example.com' and subject=re.compile('A|B'), found 2; the outbox holds 3:",
        "  0. 'A' to zoe@example.com",
        "* 1. 'A' to bob@example.com",
        "* 2. 'B' to bob@example.com",
    ]


def test_clear_forgets(outbox: Outbox) -> None:
    """After `clear` the outbox is empty and goes on collecting; what was iterated over is a snapshot."""
    mailer = Mailer("null:", from_email="me@example.com")
    for _ in range(2):
        mailer.send(Message("x", to="zoe@example.com"))
    seen = 0
    for _ in outbox:
        outbox.clear()
        seen += 1
    assert seen == 2
    assert len(outbox) == 0
    assert repr(outbox) == "<Outbox: the outbox is empty>"
    mailer.send(Message("y", to="zoe@example.com"))
    assert outbox.one().subject == "y"


def test_threads_and_tasks_send_to_one_outbox(outbox: Outbox) -> None:
    """Eight threads and an event loop send at once: every mail is there, once."""
    mailer = Mailer(FAR, from_email="me@example.com")

    def in_thread(name: int) -> None:
        for number in range(20):
            mailer.send(Message(f"thread {name} {number}", to="zoe@example.com"))

    async def in_tasks() -> None:
        await asyncio.gather(
            *(mailer.asend(Message(f"task {number}", to="zoe@example.com")) for number in range(40))
        )

    threads = [threading.Thread(target=in_thread, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    asyncio.run(in_tasks())
    for thread in threads:
        thread.join()
    assert len({mail.subject for mail in outbox}) == len(outbox) == 200


def test_without_configuration_there_is_a_default_mailer(outbox: Outbox, unconfigured: None) -> None:
    """With the fixture, send_mail needs no configuration and no sender; other names stay unknown."""
    send_mail("Subject", "Hello", None, ["you@example.com"])
    assert outbox.one(to="you@example.com").from_email == Address("default-sender@localhost.invalid")
    with pytest.raises(ConfigurationError, match="'marketing'"):
        send_mail("Subject", "Hello", None, ["you@example.com"], using="marketing")


def test_a_configured_sender_is_used(
    outbox: Outbox, unconfigured: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the program configures is in force, the fixture replaces the delivery alone."""
    monkeypatch.setenv("MODERNMAIL_URL", FAR)
    monkeypatch.setenv("MODERNMAIL_FROM", "shop@example.com")
    send_mail("Subject", "Hello", None, ["you@example.com"])
    assert outbox.one().from_email == Address("shop@example.com")


def test_an_invalid_mail_is_not_in_the_outbox(outbox: Outbox) -> None:
    """What could not be sent raises as ever, and is not there."""
    with pytest.raises(InvalidMessage):
        Mailer(FAR, from_email="me@example.com").send(Message("x"))
    assert len(outbox) == 0


def test_layers_are_in_force(outbox: Outbox) -> None:
    """A mailer's layers do their work on what arrives in the outbox."""

    class OnlyFirst(Layer):
        async def before(self, parcel: Parcel, io: IO) -> Parcel:
            return parcel.narrowed(parcel.envelope.recipients[:1])

    mailer = Mailer(FAR, from_email="me@example.com", layers=[OnlyFirst()])
    mailer.send(Message("x", to=["a@example.com", "b@example.com"]))
    assert outbox.one().recipients == ("a@example.com",)


def test_verify_goes_nowhere(outbox: Outbox) -> None:
    """`verify` asks the outbox too."""
    assert Mailer(FAR).verify() == {}


# -- the guard


def test_without_the_fixture_a_far_host_is_refused() -> None:
    """A send to a host that is not loopback raises, naming the host, the fixture and the option, and no secret."""
    mailer = Mailer(FAR, from_email="me@example.com")
    for attempt in (
        lambda: mailer.send(Message("x", to="zoe@example.com")),
        lambda: asyncio.run(mailer.asend(Message("x", to="zoe@example.com"))),
        lambda: mailer.send_many([Message("x", to="zoe@example.com")]),
        mailer.verify,
    ):
        with pytest.raises(
            ConfigurationError, match=r"real mail to mail\.example\.com.*outbox.*_allowed_hosts"
        ) as caught:
            attempt()
        assert "s3cret" not in str(caught.value)


def test_without_the_fixture_loopback_is_real() -> None:
    """A server on this machine gets its mail."""
    with ScriptedSMTPServer() as server, Mailer(server.url(), from_email="me@example.com") as mailer:
        mailer.send(Message("x", to="zoe@example.com"))
    assert len(server.commits) == 1


def test_a_backend_says_which_hosts_it_would_reach() -> None:
    """A backend of any kind that names a far host is refused."""

    class Far(modernmail.Backend):
        hosts = ("127.0.0.1", "api.example.com")

    with pytest.raises(ConfigurationError, match=r"api\.example\.com"):
        Mailer(Far(), from_email="me@example.com").send(Message("x", to="zoe@example.com"))


# -- the plugin inside pytest


def test_each_test_has_an_outbox_of_its_own(pytester: pytest.Pytester) -> None:
    """One test sees nothing of another's mail, and without the fixture the guard is back."""
    pytester.makepyfile(
        """
        import pytest
        from modernmail import Mailer, Message, errors

        mailer = Mailer("smtp://mail.example.com", from_email="me@example.com")

        @pytest.mark.parametrize("number", range(3))
        def test_send(outbox, number):
            mailer.send(Message(str(number), to="zoe@example.com"))
            assert outbox.one().subject == str(number)

        def test_guard():
            with pytest.raises(errors.ConfigurationError):
                mailer.send(Message("x", to="zoe@example.com"))

        def test_nothing(outbox):
            assert len(outbox) == 0
        """
    )
    before = interception.intercept
    pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:asyncio").assert_outcomes(passed=5)
    assert interception.intercept is before


@pytest.mark.parametrize(
    ("option", "is_allowed"),
    [("", False), ("mail.example.invalid", True), ("*.INVALID other.test", True), ("other.test", False)],
)
def test_the_ini_option_allows_hosts(pytester: pytest.Pytester, option: str, is_allowed: bool) -> None:
    """A host that a pattern of `modernmail_allowed_hosts` matches is really tried."""
    pytester.makeini(f"[pytest]\nmodernmail_allowed_hosts = {option}")
    pytester.makepyfile(
        f"""
        import pytest
        from modernmail import Mailer, Message, errors

        def test_send():
            expected = errors.ConnectFailed if {is_allowed} else errors.ConfigurationError
            with pytest.raises(expected):
                Mailer("smtp://mail.example.invalid?timeout=5", from_email="me@example.com").verify()
        """
    )
    pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:asyncio").assert_outcomes(passed=1)


def test_the_option_and_the_fixture_are_documented(pytester: pytest.Pytester) -> None:
    """`pytest --help` and `pytest --fixtures` tell of them."""
    pytester.runpytest_inprocess("--help", "-p", "no:asyncio").stdout.fnmatch_lines(
        "*modernmail_allowed_hosts (args):*"
    )
    pytester.runpytest_inprocess("--fixtures", "-p", "no:asyncio").stdout.fnmatch_lines(
        ["outbox*", "*whatever its URL*"]
    )


def test_the_plugin_costs_next_to_nothing() -> None:
    """Loading it imports the package and itself, no more: no asyncio, no outbox, no parser."""
    program = (
        "import sys, pytest, modernmail\n"
        "before = set(sys.modules)\n"
        "import modernmail.testing.plugin\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == ["modernmail.testing", "modernmail.testing.plugin"]
