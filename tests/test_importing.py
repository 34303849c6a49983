"""Mailers from the settings of Django, Flask-Mail, Flask-Mailman and fastapi-mail, and from EMAIL_URL and MAILER_DSN."""

from __future__ import annotations

import json
import subprocess
import sys
import types
import warnings
from typing import TYPE_CHECKING, Any

import dj_email_url
import environ
import pytest
from hypothesis import given
from hypothesis import strategies as st

import modernmail
from modernmail import Mailer, Message
from modernmail.errors import ConfigurationError
from modernmail.layers import RateLimit, Redirect
from modernmail.testing import ScriptedSMTPServer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HOST = "mail.example.com"
SECRET = "p@ss/wörd #1"


def said(mailer: Mailer, *names: str) -> tuple[Any, ...]:
    """Return some settings of a mailer's server."""
    return tuple(getattr(mailer.backend.settings, name) for name in names)  # type: ignore[attr-defined]


def server(mailer: Mailer) -> tuple[Any, ...]:
    """Return host, port and TLS of a mailer's server."""
    return said(mailer, "host", "port", "tls")


# -- Django -------------------------------------------------------------------------------------------------------


def classic(**more: object) -> dict[str, object]:
    """Return EMAIL_* of a server with TLS."""
    return {"EMAIL_HOST": HOST, "EMAIL_PORT": 587, "EMAIL_USE_TLS": True} | more


def mailers(backend: str | None = None, **options: object) -> dict[str, object]:
    """Return MAILERS with one mailer."""
    mailer: dict[str, object] = {"OPTIONS": options}
    if backend is not None:
        mailer["BACKEND"] = f"django.core.mail.backends.{backend}.EmailBackend"
    return {"MAILERS": {"default": mailer}}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (classic(), (HOST, 587, "required")),
        (classic(EMAIL_USE_TLS=False, EMAIL_USE_SSL=True, EMAIL_PORT=465), (HOST, 465, "implicit")),
        (classic(EMAIL_PORT=None), (HOST, 587, "required")),
        ({}, ("localhost", 25, "off")),
        ({"EMAIL_HOST": "127.0.0.1", "EMAIL_PORT": "1025"}, ("127.0.0.1", 1025, "off")),
        ({"EMAIL_HOST": "::1"}, ("::1", 25, "off")),
        (mailers(host=HOST, use_tls=True), (HOST, 587, "required")),
        (mailers("smtp", host=HOST, use_ssl=True), (HOST, 465, "implicit")),
        (mailers(host=HOST, use_tls=True, port=2525), (HOST, 2525, "required")),
        (mailers(host="localhost"), ("localhost", 25, "off")),
    ],
)
def test_django_servers(settings: dict[str, object], expected: tuple[object, ...]) -> None:
    """Where mail goes, from MAILERS and from EMAIL_*, given as a mapping, as an object or as a module."""
    module = types.ModuleType("settings")
    vars(module).update(settings)
    for form in (settings, types.SimpleNamespace(**settings), module):
        assert server(Mailer.from_django_settings(form)) == expected


def test_django_details() -> None:
    """Login, timeout and sender come along; a login that lacks its password is none, as there."""
    settings = classic(
        EMAIL_HOST_USER="shop",
        EMAIL_HOST_PASSWORD=SECRET,
        EMAIL_TIMEOUT=7,
        DEFAULT_FROM_EMAIL="Shop <shop@example.com>",
    )
    mailer = Mailer.from_django_settings(settings)
    assert said(mailer, "username", "password", "timeout") == ("shop", SECRET, 7.0)
    assert str(mailer.from_email) == "Shop <shop@example.com>"
    assert SECRET not in repr(mailer)
    assert said(Mailer.from_django_settings(classic(EMAIL_HOST_USER="shop")), "username") == (None,)
    assert said(Mailer.from_django_settings(classic()), "timeout") == (30.0,)
    several = {"MAILERS": {"default": {}, "news": {"OPTIONS": {"host": HOST, "use_tls": True}}}}
    assert server(Mailer.from_django_settings(several, using="news"))[0] == HOST
    with pytest.raises(ConfigurationError, match="MAILERS has default, news"):
        Mailer.from_django_settings(several, using="other")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("console", "ConsoleBackend"), ("locmem", "MemoryBackend"), ("dummy", "NullBackend")],
)
def test_django_other_backends(kind: str, expected: str, tmp_path: Path) -> None:
    """Django's own backends have their counterparts."""
    path = f"django.core.mail.backends.{kind}.EmailBackend"
    for settings in ({"EMAIL_BACKEND": path}, mailers(kind)):
        assert type(Mailer.from_django_settings(settings).backend).__name__ == expected
    for settings in (mailers("filebased", file_path=str(tmp_path)), {
        "EMAIL_BACKEND": "django.core.mail.backends.filebased.EmailBackend", "EMAIL_FILE_PATH": tmp_path
    }):  # fmt: skip
        mailer = Mailer.from_django_settings(settings, from_email="me@example.com")
        mailer.send(Message("Hi", "Text", to="zoe@example.com"))
        assert list(tmp_path.glob("*.eml"))


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        (classic(EMAIL_USE_TLS=False), r"EMAIL_USE_TLS and EMAIL_USE_SSL are off.*in clear.*tls=\"opportunistic\""),
        (classic(EMAIL_USE_SSL=True), "EMAIL_USE_TLS and EMAIL_USE_SSL exclude each other"),
        (classic(EMAIL_USE_TLS="False"), "EMAIL_USE_TLS='False'.*any text is true"),
        (classic(EMAIL_PORT="smtp"), "EMAIL_PORT='smtp'"),
        (classic(EMAIL_PORT=70000), "EMAIL_PORT=70000"),
        (classic(EMAIL_HOST=""), "EMAIL_HOST=''"),
        (classic(EMAIL_HOST="user@host"), "EMAIL_HOST"),
        (classic(EMAIL_SSL_CERTFILE="/etc/cert.pem"), "EMAIL_SSL_CERTFILE: client certificates"),
        (classic(EMAIL_TIMEOUT="soon"), "timeout='soon'"),
        (classic(EMAIL_BACKEND="anymail.backends.mailgun.EmailBackend"), "EMAIL_BACKEND: 'anymail"),
        ({"EMAIL_BACKEND": "django.core.mail.backends.filebased.EmailBackend"}, "EMAIL_FILE_PATH: the folder is missing"),
        (mailers(host=HOST), r"MAILERS\['default'\]: use_tls.*in clear"),
        (mailers(), r"MAILERS\['default'\]: host"),
        (mailers(host=HOST, use_tls=True, colour="red"), "colour: is no option"),
        (mailers(host=HOST, use_tls=True, fail_silently=True), "fail_silently: a mail that failed is never hidden"),
        (mailers("filebased"), "file_path: the folder is missing"),
        ({"MAILERS": {}}, "MAILERS has none"),
    ],
)  # fmt: skip
def test_django_what_cannot_be_carried_over(settings: dict[str, object], why: str) -> None:
    """The error names the setting, says what would be right, and shows no password."""
    with pytest.raises(ConfigurationError, match=why) as caught:
        Mailer.from_django_settings(settings)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [classic(), {"MAILERS": {"default": {"OPTIONS": {"host": HOST, "use_tls": True}}}}],
    ids=["EMAIL_*", "MAILERS"],
)
def test_django_itself(settings: dict[str, object]) -> None:
    """Without an argument the settings of the project are read, without a warning of ours: Django has given its own."""
    program = """
import json, sys, warnings
import django
from django.conf import settings
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # from 6.1 on Django warns of EMAIL_* where they are set
    settings.configure(DEFAULT_FROM_EMAIL="shop@example.com", **json.loads(sys.argv[1]))
warnings.simplefilter("error")
from modernmail import Mailer
mailer = Mailer.from_django_settings()
print(mailer.backend.settings.host, mailer.backend.settings.tls, mailer.from_email)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, json.dumps(settings)], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split() == [HOST, "required", "shop@example.com"], done.stderr


# -- Flask --------------------------------------------------------------------------------------------------------


def flask(**more: object) -> dict[str, object]:
    """Return MAIL_* of a server with TLS."""
    return {"MAIL_SERVER": HOST, "MAIL_PORT": 587, "MAIL_USE_TLS": True} | more


def test_flask_servers() -> None:
    """Where mail goes, how it logs in, and who sends; the application itself may be given."""
    config = flask(
        MAIL_USERNAME="shop",
        MAIL_PASSWORD=SECRET,
        MAIL_DEFAULT_SENDER=("Shop, the", "shop@example.com"),
        MAIL_MAX_EMAILS=50,
        MAIL_TIMEOUT=9,
        MAIL_DEBUG=True,
        SECRET_KEY="x",
    )
    # Since Flask 2 an application has a `get`, which makes a route.
    application = types.SimpleNamespace(config=config, get=lambda rule: None)
    for form in (config, application):
        mailer = Mailer.from_flask_config(form)  # type: ignore[arg-type]
        assert server(mailer) == (HOST, 587, "required")
        assert said(mailer, "username", "password", "timeout", "max_messages") == ("shop", SECRET, 9.0, 50)
        assert mailer.from_email is not None
        assert (mailer.from_email.name, mailer.from_email.addr_spec) == ("Shop, the", "shop@example.com")
    assert server(Mailer.from_flask_config({})) == ("localhost", 25, "off")
    implicit = flask(
        MAIL_USE_TLS=False, MAIL_USE_SSL=True, MAIL_PORT=465, MAIL_DEFAULT_SENDER="me@example.com"
    )
    assert server(Mailer.from_flask_config(implicit)) == (HOST, 465, "implicit")
    assert str(Mailer.from_flask_config(implicit).from_email) == "me@example.com"


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"TESTING": True}, "MemoryBackend"),
        ({"TESTING": True, "MAIL_SUPPRESS_SEND": False}, "SMTPBackend"),
        ({"MAIL_SUPPRESS_SEND": True}, "NullBackend"),
        ({"MAIL_BACKEND": "console"}, "ConsoleBackend"),
        ({"MAIL_BACKEND": "flask_mailman.backends.locmem"}, "MemoryBackend"),
        ({"MAIL_BACKEND": "flask_mailman.backends.dummy.EmailBackend"}, "NullBackend"),
        ({"MAIL_BACKEND": "smtp"}, "SMTPBackend"),
        ({"MAIL_BACKEND": "file", "MAIL_FILE_PATH": "mail"}, "FileBackend"),
    ],
)
def test_flask_other_backends(
    more: dict[str, object], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A test sends nothing, and Flask-Mailman's backends have their counterparts."""
    monkeypatch.chdir(tmp_path)
    assert type(Mailer.from_flask_config(flask(**more)).backend).__name__ == expected


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"MAIL_USE_TLS": False}, "MAIL_USE_TLS and MAIL_USE_SSL are off.*in clear"),
        ({"MAIL_USE_SSL": True}, "exclude each other"),
        ({"MAIL_USE_TLS": "false"}, "MAIL_USE_TLS='false'"),
        ({"MAIL_PORT": "x"}, "MAIL_PORT='x'"),
        ({"MAIL_BACKEND": "project.mail.Backend"}, "MAIL_BACKEND='project.mail.Backend'"),
        ({"MAIL_BACKEND": "file"}, "MAIL_FILE_PATH"),
        ({"MAIL_SSL_KEYFILE": "key.pem"}, "MAIL_SSL_KEYFILE: client certificates"),
        ({"MAIL_MAX_EMAILS": "many"}, "max_messages='many'"),
    ],
)
def test_flask_what_cannot_be_carried_over(more: dict[str, object], why: str) -> None:
    """The error names the setting."""
    with pytest.raises(ConfigurationError, match=why):
        Mailer.from_flask_config(flask(**more))
    with pytest.raises(ConfigurationError, match=r"app\.config"):
        Mailer.from_flask_config("MAIL_SERVER")  # type: ignore[arg-type]


# -- fastapi-mail -------------------------------------------------------------------------------------------------


class Secret:
    """A pydantic SecretStr, as far as it matters."""

    def get_secret_value(self) -> str:
        """Return the secret."""
        return SECRET


def fastapi(**more: object) -> dict[str, object]:
    """Return the names of a ConnectionConfig."""
    return {
        "MAIL_USERNAME": "shop", "MAIL_PASSWORD": Secret(), "MAIL_PORT": 587, "MAIL_SERVER": HOST, "MAIL_STARTTLS": True,
        "MAIL_SSL_TLS": False, "MAIL_FROM": "shop@example.com", "MAIL_FROM_NAME": "Shop", "SUPPRESS_SEND": 0,
        "USE_CREDENTIALS": True, "VALIDATE_CERTS": True, "TIMEOUT": 60, "LOCAL_HOSTNAME": None, "CERT_BUNDLE": None,
    } | more  # fmt: skip


def test_fastapi_servers() -> None:
    """Where mail goes, how it logs in, and who sends."""
    for form in (fastapi(), types.SimpleNamespace(**fastapi())):
        mailer = Mailer.from_fastapi_mail(form)
        assert server(mailer) == (HOST, 587, "required")
        assert said(mailer, "username", "password", "timeout", "verify") == ("shop", SECRET, 60.0, True)
        assert str(mailer.from_email) == "Shop <shop@example.com>"
    implicit = fastapi(
        MAIL_STARTTLS=False,
        MAIL_SSL_TLS=True,
        MAIL_PORT=465,
        USE_CREDENTIALS=False,
        LOCAL_HOSTNAME="me.example.com",
    )
    assert server(Mailer.from_fastapi_mail(implicit)) == (HOST, 465, "implicit")
    assert said(Mailer.from_fastapi_mail(implicit), "username", "ehlo") == (None, "me.example.com")
    assert type(Mailer.from_fastapi_mail(fastapi(SUPPRESS_SEND=1)).backend).__name__ == "NullBackend"


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"MAIL_STARTTLS": False}, "MAIL_STARTTLS and MAIL_SSL_TLS are off.*in clear"),
        ({"VALIDATE_CERTS": False}, "VALIDATE_CERTS is off.*verify=False"),
        ({"CERT_BUNDLE": "/nowhere.pem"}, "ca='/nowhere.pem'"),
        ({"MAIL_SERVER": None}, "no MAIL_SERVER"),
        ({"MAIL_PORT": None}, "MAIL_PORT=None"),
    ],
)
def test_fastapi_what_cannot_be_carried_over(more: dict[str, object], why: str) -> None:
    """The error names the setting, and shows no password."""
    with pytest.raises(ConfigurationError, match=why) as caught:
        Mailer.from_fastapi_mail(fastapi(**more))
    assert SECRET not in str(caught.value)


# -- EMAIL_URL ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtps://mail.example.com:587", (HOST, 587, "required")),
        ("smtps://mail.example.com", (HOST, 25, "required")),
        ("smtp+tls://mail.example.com:587", (HOST, 587, "required")),
        ("smtp+ssl://mail.example.com:465", (HOST, 465, "implicit")),
        ("smtp+ssl://mail.example.com", (HOST, 465, "implicit")),
        ("submission://mail.example.com", (HOST, 587, "required")),
        ("submit://mail.example.com:2525", (HOST, 2525, "required")),
        ("smtp://mail.example.com:465/?ssl=True", (HOST, 465, "implicit")),
        ("smtp://mail.example.com:587/?tls=True", (HOST, 587, "required")),
        ("smtp://mail.example.com:587/?EMAIL_USE_TLS=True", (HOST, 587, "required")),
        ("smtp://", ("localhost", 25, "off")),
        ("smtp:", ("localhost", 25, "off")),
        ("smtp://localhost:1025", ("localhost", 1025, "off")),
    ],
)
def test_email_urls(url: str, expected: tuple[object, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """What each scheme means to dj-email-url and django-environ, from an argument or from the environment."""
    assert server(Mailer.from_email_url(url)) == expected
    monkeypatch.setenv("EMAIL_URL", url)
    assert server(Mailer.from_email_url()) == expected


def test_email_url_details(tmp_path: Path) -> None:
    """Login, timeout and sender; the other schemes; and what differs from the same scheme in a URL of ours."""
    mailer = Mailer.from_email_url(
        "submission://sh%40p:p%40ss%2Fw@mail.example.com?timeout=5&_default_from_email=me@example.com&_server_email=x"
    )
    assert said(mailer, "username", "password", "timeout") == ("sh@p", "p@ss/w", 5.0)
    assert str(mailer.from_email) == "me@example.com"
    for scheme, expected in (
        ("console", "Console"), ("consolemail", "Console"), ("memory", "Memory"), ("memorymail", "Memory"), ("dummy", "Null"),
        ("dummymail", "Null"),
    ):  # fmt: skip
        assert type(Mailer.from_email_url(f"{scheme}://").backend).__name__ == f"{expected}Backend"
    assert type(Mailer.from_email_url(f"filemail:///{tmp_path}").backend).__name__ == "FileBackend"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours = Mailer("smtps://mail.example.com:587")
    assert said(ours, "tls") == ("implicit",)


@given(
    scheme=st.sampled_from(["smtp", "smtps", "submission", "submit", "smtp+tls", "smtp+ssl"]),
    port=st.sampled_from([None, 25, 465, 587, 2525]),
    user=st.sampled_from([None, "u", "u%40x", "%C3%BC"]),
    query=st.sampled_from(["", "?ssl=True", "?tls=True", "?ssl=1", "?timeout=9"]),
)
def test_email_urls_mean_what_their_libraries_say(
    scheme: str, port: int | None, user: str | None, query: str
) -> None:
    """Host, port, login and TLS are those that dj-email-url, or django-environ for its own schemes, gives to Django."""
    url = f"{scheme}://{'' if user is None else user + ':p%2Fw@'}{HOST}{'' if port is None else f':{port}'}/{query}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if "+" in scheme:
            if query:
                return
            theirs = environ.Env.email_url_config(url)
        else:
            theirs = dj_email_url.parse(url)
    wanted = (
        "implicit" if theirs.get("EMAIL_USE_SSL") else "required" if theirs.get("EMAIL_USE_TLS") else None
    )
    if wanted is None:
        with pytest.raises(ConfigurationError, match="in clear"):
            Mailer.from_email_url(url)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # implicit TLS on port 587 or 25
        mailer = Mailer.from_email_url(url)
    assert said(mailer, "tls", "host", "username", "password") == (
        wanted, theirs["EMAIL_HOST"], theirs["EMAIL_HOST_USER"], theirs["EMAIL_HOST_PASSWORD"],
    )  # fmt: skip
    if theirs["EMAIL_PORT"] and not (wanted == "implicit" and port is None):
        assert said(mailer, "port") == (theirs["EMAIL_PORT"],)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("smtp://mail.example.com", "in clear"),
        ("smtp://mail.example.com?tls=False", "in clear"),
        ("smtp://mail.example.com?tls=perhaps", "tls='perhaps'"),
        ("ses://x", "no scheme 'ses'"),
        ("submission://mail.example.com?colour=red", "'colour'"),
        ("submission://mail.example.com:99999", "malformed"),
        ("submission://u:p[ss@mail.example.com", "malformed"),
        ("", "not set"),
        (None, "not set"),
        (5, "no URL"),
    ],
)
def test_email_url_mistakes(url: str, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each says what is wrong, and shows no login."""
    monkeypatch.delenv("EMAIL_URL", raising=False)
    with pytest.raises(ConfigurationError, match=why) as caught:
        Mailer.from_email_url(url)
    assert "p[ss" not in str(caught.value)


# -- MAILER_DSN ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dsn", "expected"),
    [
        ("smtp://mail.example.com", (HOST, 465, "implicit")),
        ("smtp://mail.example.com:465", (HOST, 465, "implicit")),
        ("smtp://mail.example.com:587", (HOST, 587, "required")),
        ("smtp://mail.example.com:25?require_tls=true", (HOST, 25, "required")),
        ("smtps://mail.example.com", (HOST, 465, "implicit")),
        ("smtps://mail.example.com:4650", (HOST, 4650, "implicit")),
        ("smtp://localhost", ("localhost", 25, "off")),
        ("smtp://localhost:1025", ("localhost", 1025, "off")),
        ("smtp://localhost:1025?require_tls=1", ("localhost", 1025, "required")),
    ],
)
def test_mailer_dsns(dsn: str, expected: tuple[object, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """What each means to Symfony; TLS that is optional there is required here."""
    assert server(Mailer.from_mailer_dsn(dsn)) == expected
    monkeypatch.setenv("MAILER_DSN", dsn)
    assert server(Mailer.from_mailer_dsn()) == expected


def test_mailer_dsn_details() -> None:
    """Options have their counterparts, a rate is a layer, and transports of transports are backends of backends."""
    mailer = Mailer.from_mailer_dsn(
        "smtp://u%40x:p%2Bw@mail.example.com:587?local_domain=me.example.com&restart_threshold=10&ping_threshold=20&max_per_second=2",
        layers=[Redirect(allow=["*@example.com"])],
    )
    assert said(mailer, "username", "password", "ehlo", "max_messages", "idle") == (
        "u@x",
        "p+w",
        "me.example.com",
        10,
        20.0,
    )
    assert [type(layer) for layer in mailer.layers] == [Redirect, RateLimit]
    assert repr(mailer.layers[1]) == "<RateLimit 2 messages in 1 s>"
    slow = Mailer.from_mailer_dsn("smtps://mail.example.com?max_per_second=0.5")
    assert repr(slow.layers[0]) == "<RateLimit 1800 messages in 3600 s>"
    nested = Mailer.from_mailer_dsn(
        "failover(smtps://a.example.com roundrobin(smtp://b.example.com:25 null://null))?retry_period=5"
    )
    assert "Failover(SMTPBackend a.example.com:465" in repr(nested.backend)
    for dsn, expected in (
        ("null://null", "Null"),
        ("sendmail://default", "Sendmail"),
        ("native://default", "Sendmail"),
    ):
        assert type(Mailer.from_mailer_dsn(dsn).backend).__name__ == f"{expected}Backend"
    command = Mailer.from_mailer_dsn("sendmail://default?command=/opt/sendmail%20-oi%20-t")
    assert repr(command.backend) == "<SendmailBackend /opt/sendmail>"


@pytest.mark.parametrize(
    ("dsn", "why"),
    [
        ("smtp://mail.example.com:25?auto_tls=0", "auto_tls is off.*in clear"),
        ("smtps://mail.example.com?verify_peer=0", "verify_peer is off.*verify=False"),
        ("smtps://mail.example.com?verify_peer=perhaps", "verify_peer='perhaps'"),
        ("ses+smtp://key:hush@default", r"ses\+smtp:// has no counterpart"),
        ("smtps://mail.example.com?peer_fingerprint=abc", "'peer_fingerprint' has no counterpart"),
        ("sendmail://default?colour=red", "'colour'"),
        ("smtps://mail.example.com?max_per_second=0", "max_per_second='0'"),
        ("smtps://mail.example.com?max_per_second=x", "max_per_second='x'"),
        ("failover(smtps://a.example.com?max_per_second=1 null://null)", "inside of failover"),
        ("failover(smtps://a.example.com)?retry_period=x", "retry_period='x'"),
        ("failover()", "empty"),
        ("anyof(null://null)", "none of failover"),
        ("smtp://", "host"),
        ("smtp://u:hu[sh@x", "malformed"),
        ("", "not set"),
        (None, "not set"),
    ],
)
def test_mailer_dsn_mistakes(dsn: str, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each says what is wrong, and shows no login."""
    monkeypatch.delenv("MAILER_DSN", raising=False)
    with pytest.raises(ConfigurationError, match=why) as caught:
        Mailer.from_mailer_dsn(dsn)
    assert "hush" not in str(caught.value)
    assert "hu[sh" not in str(caught.value)


# -- what is allowed ----------------------------------------------------------------------------------------------

CLEAR: list[Callable[..., Mailer]] = [
    lambda **allowed: Mailer.from_django_settings(classic(EMAIL_USE_TLS=False), **allowed),
    lambda **allowed: Mailer.from_flask_config(flask(MAIL_USE_TLS=False), **allowed),
    lambda **allowed: Mailer.from_fastapi_mail(fastapi(MAIL_STARTTLS=False, VALIDATE_CERTS=True), **allowed),
    lambda **allowed: Mailer.from_email_url("smtp://mail.example.com:587", **allowed),
    lambda **allowed: Mailer.from_mailer_dsn("smtp://mail.example.com:587?auto_tls=0", **allowed),
]


@pytest.mark.parametrize("make", CLEAR)
def test_less_is_allowed_by_name(make: Callable[..., Mailer]) -> None:
    """No TLS to another machine is refused, and allowed by `tls`; certificates are verified unless `verify=False`."""
    with pytest.raises(ConfigurationError, match="in clear"):
        make()
    for tls in ("required", "opportunistic", "off"):
        assert said(make(tls=tls), "tls", "verify") == (tls, True)
    assert said(make(tls="required", verify=False), "verify") == (False,)
    with pytest.raises(ConfigurationError, match="tls='no'"):
        make(tls="no")
    with pytest.raises(ConfigurationError, match="verify='no'"):
        make(tls="off", verify="no")


def test_arguments_of_the_mailer_go_along() -> None:
    """Those of the caller win over what was imported."""
    mailer = Mailer.from_django_settings(
        classic(DEFAULT_FROM_EMAIL="a@example.com"),
        from_email="b@example.com",
        max_size=1000,
        layers=[Redirect(to=["c@example.com"])],
    )
    assert (str(mailer.from_email), mailer.max_size, len(mailer.layers)) == ("b@example.com", 1000, 1)


def test_mail_goes_there() -> None:
    """An imported mailer sends: with STARTTLS and a login, to a server with its own authority."""
    with ScriptedSMTPServer(tls="starttls", credentials={"shop": SECRET}, require_auth=True) as running:
        mailer = Mailer.from_fastapi_mail(
            fastapi(MAIL_SERVER="localhost", MAIL_PORT=running.port, CERT_BUNDLE=running.ca_file)
        )
        assert mailer.send(Message("Hi", "Text", to="zoe@example.com")).accepted
        mailer.close()
        assert running.commits[0].recipients == ("zoe@example.com",)


def test_an_imported_mailer_can_be_configured() -> None:
    """It stands where a URL would, so that `send_mail` and `message.send()` use it."""
    imported = Mailer.from_django_settings(mailers("locmem") | {"DEFAULT_FROM_EMAIL": "shop@example.com"})
    modernmail.configure({"default": imported})
    try:
        assert modernmail.mailers["default"] is imported
        assert modernmail.send_mail("Hi", "Text", None, ["zoe@example.com"])
        (parcel,) = imported.backend.outbox  # type: ignore[attr-defined]
        assert parcel.envelope.return_path == "shop@example.com"
    finally:
        modernmail.configure({})
