"""Django's mail over our mailers: what `django.core.mail` says arrives, and its faults are ours."""

from __future__ import annotations

import subprocess
import sys
from email import message_from_bytes, policy
from typing import TYPE_CHECKING

import pytest
from django import VERSION as DJANGO
from django.conf import settings
from django.core import mail
from django.test.utils import override_settings

import modernmail
from modernmail.contrib.django import EmailBackend
from modernmail.errors import ConfigurationError, InvalidAddress, InvalidMessage, RecipientsRefused
from modernmail.testing import Rule, ScriptedSMTPServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modernmail.testing import Outbox

BACKEND = "modernmail.contrib.django.EmailBackend"
EVIL = f"a@(Bcc:evil@example.net,{'y' * 80})example.com"


@pytest.fixture(autouse=True)
def _django() -> Iterator[None]:
    """A Django whose mail goes to us."""
    if not settings.configured:
        settings.configure(USE_TZ=True)
    here = {"BACKEND": BACKEND}
    if DJANGO >= (6, 1):
        mailers = {"default": here, "marketing": {**here, "OPTIONS": {"using": "marketing"}}}
        override = override_settings(MAILERS=mailers)
    else:
        override = override_settings(EMAIL_BACKEND=BACKEND)
    with override:
        yield


def connection(**options: object) -> EmailBackend:
    """Return a backend as Django makes it."""
    return EmailBackend(**options)  # type: ignore[arg-type]


def test_send_mail_arrives(outbox: Outbox) -> None:
    """Django's `send_mail`, unchanged, delivers text and HTML to everybody named."""
    sent = mail.send_mail(
        "Grüße", "Hello", "Shop <shop@example.com>", ["Zoë <zoe@example.com>"], html_message="<p>Hello</p>"
    )
    assert sent == 1
    got = outbox.one(to="zoe@example.com")
    assert (got.subject, got.text.strip(), got.html.strip()) == ("Grüße", "Hello", "<p>Hello</p>")


def test_a_blind_copy_is_in_the_envelope_alone() -> None:
    """Bcc recipients get the mail, and nobody reads of them."""
    modernmail.configure({"default": "memory:"})
    message = mail.EmailMessage(
        "s", "b", "me@example.com", ["to@example.com"], bcc=["blind@example.com"], headers={"X-A": "1"}
    )
    message.attach("ä.pdf", b"%PDF-1.4", "application/pdf")
    assert connection().send_messages([message]) == 1
    (parcel,) = modernmail.mailers["default"].backend.outbox  # type: ignore[attr-defined]
    assert parcel.envelope.recipients == ("to@example.com", "blind@example.com")
    assert parcel.envelope.return_path == "me@example.com"
    octets = bytes(parcel.content)
    assert b"blind" not in octets
    parsed = message_from_bytes(octets, policy=policy.default)
    (attached,) = parsed.iter_attachments()  # type: ignore[attr-defined]
    assert (attached.get_filename(), attached.get_content(), parsed["X-A"]) == ("ä.pdf", b"%PDF-1.4", "1")


def test_a_crafted_recipient_is_refused(outbox: Outbox) -> None:
    """The recipient that makes Django write a Bcc field is an error here; the mail beside it goes out."""
    bad = mail.EmailMessage("s", "b", "me@example.com", [EVIL])
    good = mail.EmailMessage("s", "b", "me@example.com", ["to@example.com"])
    with pytest.raises(InvalidAddress, match="recipients"):
        connection().send_messages([bad, good])
    assert [item.recipients for item in outbox] == [("to@example.com",)]


def test_many_mails_take_one_connection() -> None:
    """`send_messages` and the next call share a pooled connection."""
    with ScriptedSMTPServer() as server:
        modernmail.configure({"default": server.url()})
        mails = [mail.EmailMessage("s", "b", "me@example.com", [f"a{n}@example.com"]) for n in range(5)]
        assert connection().send_messages(mails) == 5
        assert connection().send_messages(mails) == 5
        assert len(server.sessions) == 1


def test_a_refusal_is_raised_after_the_rest_was_sent() -> None:
    """One refused mail costs the others nothing; `fail_silently` keeps quiet about it."""
    rule = Rule("RCPT", contains="gone@").reply("550 5.1.1 no such user")
    mails = [
        mail.EmailMessage("s", "b", "me@example.com", [who]) for who in ("gone@example.com", "a@example.com")
    ]
    with ScriptedSMTPServer([rule]) as server:
        modernmail.configure({"default": server.url()})
        with pytest.raises(RecipientsRefused, match="no such user"):
            connection().send_messages(mails)
        assert connection(fail_silently=True).send_messages(mails) == 1


def test_a_mail_that_django_cannot_compose_costs_the_others_nothing(outbox: Outbox) -> None:
    """A line end in a subject, or an unknown encoding, is Django's own error, raised after the rest was sent."""
    broken = mail.EmailMessage("bad\nBcc: evil@example.net", "x", "me@example.com", ["zoe@example.com"])
    strange = mail.EmailMessage("strange", "é", "me@example.com", ["zoe@example.com"])
    strange.encoding = "no-such-encoding"
    good = mail.EmailMessage("good", "x", "me@example.com", ["zoe@example.com"])
    with pytest.raises(ValueError, match=r"linefeed|newline") as caught:
        connection().send_messages([broken, good])
    assert not isinstance(caught.value, InvalidMessage)
    with pytest.raises(LookupError, match="no-such-encoding"):
        connection().send_messages([strange, good])
    assert connection(fail_silently=True).send_messages([broken, strange, good]) == 1
    assert [got.subject for got in outbox] == ["good"] * 3


def test_whatever_a_message_of_django_raises_is_its_own(
    outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    """An error of a subclass, or a recipient that is none, costs the others nothing; the log says what it was."""

    class Templated(mail.EmailMessage):
        def message(self, *args: object, **kwargs: object) -> object:
            raise ZeroDivisionError("in the template")

    broken = Templated("s", "b", "me@example.com", ["zoe@example.com"])
    strange = mail.EmailMessage("s", "b", "me@example.com", ["zoe@example.com"])
    strange.cc = 5
    good = mail.EmailMessage("good", "x", "me@example.com", ["zoe@example.com"])
    with pytest.raises(ZeroDivisionError, match="in the template"):
        connection().send_messages([broken, good])
    assert connection(fail_silently=True).send_messages([broken, strange, good]) == 1
    assert [got.subject for got in outbox] == ["good"] * 2
    told = [text.rpartition(" ")[2] for text in caplog.messages if "NotComposed (message), from " in text]
    assert told == ["ZeroDivisionError", "ZeroDivisionError", "TypeError"]


def test_where_mail_goes_is_not_said_here() -> None:
    """`get_connection(host=…)` would send elsewhere than it says: an error that says where hosts go."""
    with pytest.raises(ConfigurationError, match=r"'host'.*modernmail\.configure"):
        connection(host="mail.example.net", port=25)
    if DJANGO < (6, 1):
        with pytest.raises(ConfigurationError, match="'host'"):
            mail.get_connection(host="mail.example.net")


def test_another_mailer_by_name(outbox: Outbox) -> None:
    """`using` names the mailer; one that does not exist is an error that lists what does."""
    modernmail.configure({"marketing": "memory:"})
    message = mail.EmailMessage("s", "b", "me@example.com", ["a@example.com"])
    assert connection(using="marketing").send_messages([message]) == 1
    with pytest.raises(ConfigurationError, match="marketing"):
        connection(using="other").send_messages([message])


@pytest.mark.skipif(DJANGO < (6, 1), reason="MAILERS came with Django 6.1, which needs Python 3.12")
def test_mailers_of_django() -> None:
    """Django's `MAILERS` names ours in its options; an option that does not exist is Django's own error."""
    modernmail.configure({"marketing": "memory:"})
    message = mail.EmailMessage("s", "b", "me@example.com", ["a@example.com"])
    assert message.send(using="marketing") == 1
    assert len(modernmail.mailers["marketing"].backend.outbox) == 1  # type: ignore[attr-defined]
    with (
        override_settings(MAILERS={"default": {"BACKEND": BACKEND, "OPTIONS": {"hots": "x"}}}),
        pytest.raises(mail.InvalidMailer, match="hots"),
    ):
        message.send()


def test_a_password_here_is_refused() -> None:
    """`auth_user` and `auth_password` of Django would be lost: they are an error that says where they go."""
    with pytest.raises(ConfigurationError, match=r"modernmail\.configure") as caught:
        connection(username="user", password="secret")
    assert "secret" not in str(caught.value)


def test_nobody_to_send_to_is_no_error(outbox: Outbox) -> None:
    """As in Django, a mail without recipients is not sent and counts for nothing."""
    assert connection().send_messages([mail.EmailMessage("s", "b", "me@example.com", [])]) == 0
    assert connection().send_messages([]) == 0
    assert len(outbox) == 0


def test_without_django_it_says_what_to_install() -> None:
    """Where Django is missing, the import names the extra."""
    script = "import sys; sys.modules['django'] = None; import modernmail.contrib.django"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "modernmail.contrib.django needs Django: pip install 'modernmail[django]'" in done.stderr
    assert done.returncode == 1
