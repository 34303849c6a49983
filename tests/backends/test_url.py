"""Backend URLs: what they spell, what is refused, and that nobody reads a password in an error."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modernmail import Backend, Mailer, register_backend
from modernmail.backends.backendurl import BackendURL
from modernmail.backends.file import FileBackend
from modernmail.backends.smtp import SMTPBackend
from modernmail.backends.url import backend_from_url
from modernmail.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from modernmail.smtp.settings import Settings


def settings(url: str) -> Settings:
    """Return what an SMTP URL spells."""
    backend = backend_from_url(url)
    assert isinstance(backend, SMTPBackend)
    return backend.settings


# -- ports and security (DESIGN 2.6)


@pytest.mark.parametrize(
    ("url", "port", "tls"),
    [
        ("smtp://mail.example.com", 587, "required"),
        ("smtps://mail.example.com", 465, "implicit"),
        ("smtp://localhost", 25, "off"),
        ("smtp://LOCALHOST", 25, "off"),
        ("smtp://127.0.0.1", 25, "off"),
        ("smtp://127.255.3.4", 25, "off"),
        ("smtp://[::1]", 25, "off"),
        ("smtps://localhost", 465, "implicit"),
        ("smtp://localhost?tls=required", 25, "required"),
        ("smtp://mail.example.com?tls=opportunistic", 587, "opportunistic"),
        ("smtp://mail.example.com?tls=off", 587, "off"),
        ("smtp://mail.example.com:2525", 2525, "required"),
        # Only a name or literal of loopback is loopback: nothing is looked up.
        ("smtp://localhost.example.com", 587, "required"),
        ("smtp://127.0.0.1.example.com", 587, "required"),
        ("smtp://192.0.2.1", 587, "required"),
        ("smtp://[2001:db8::1]", 587, "required"),
        # A password on loopback wants TLS when there is any, and never goes in clear.
        ("smtp://zoe:secret@localhost", 25, "opportunistic"),
        ("smtp://zoe:secret@localhost?tls=off", 25, "off"),
    ],
)
def test_ports_and_tls(url: str, port: int, tls: str) -> None:
    """587 with STARTTLS, 465 with TLS, plain 25 on loopback; the URL may say otherwise."""
    found = settings(url)
    assert (found.port, found.tls) == (port, tls)


def test_everything_in_an_smtp_url(tmp_path: Path) -> None:
    """Each option arrives in its place."""
    ca = tmp_path / "ca.pem"
    ca.write_text("")
    found = settings(
        f"smtp://zo%C3%AB%40example.com:s%3A%2F%3F%23%25cret@mail.example.com:2525/?timeout=5&final_timeout=60.5&deadline=90"
        f"&idle=10&pool=4&max_messages=50&max_recipients=20&window=2&verify=off&chunking=on&ca={ca}&ehlo=me.example.com"
    )
    assert (found.host, found.port) == ("mail.example.com", 2525)
    assert (found.username, found.password) == ("zoë@example.com", "s:/?#%cret")
    assert (found.timeout, found.final_timeout, found.deadline, found.idle) == (5.0, 60.5, 90.0, 10.0)
    assert (found.pool, found.max_messages, found.max_recipients, found.window) == (4, 50, 20, 2)
    assert (found.verify, found.chunking, found.ca, found.ehlo) == (False, True, str(ca), "me.example.com")


def test_defaults() -> None:
    """Time-outs are on: 30 s, and the ten minutes that RFC 5321 wants after the content; TLS is verified."""
    found = settings("smtp://mail.example.com")
    assert (found.timeout, found.final_timeout, found.deadline) == (30.0, 600.0, None)
    assert (found.verify, found.ca, found.username, found.password) == (True, None, None, None)


def test_a_host_of_another_script() -> None:
    """A host name goes through UTS-46: `faß.de` is not `fass.de`."""
    assert settings("smtp://faß.de").host == "xn--fa-hia.de"
    assert settings("smtp://B%C3%BCcher.example").host == "xn--bcher-kva.example"


WORDS = st.text(
    st.characters(exclude_characters=[chr(code) for code in (*range(0x20), 0x7F)]), min_size=1
)  # control characters separate the fields of SASL


@given(WORDS, WORDS)
def test_any_user_and_password(username: str, password: str) -> None:
    """Whatever user and password are, percent-encoded they arrive as they are."""
    url = f"smtp://{quote(username, safe='', errors='replace')}:{quote(password, safe='', errors='replace')}@h.example"
    found = settings(url)
    assert found.username == username.encode("utf-8", "replace").decode()
    assert found.password == password.encode("utf-8", "replace").decode()


def test_a_doubtful_port_is_warned_of() -> None:
    """Elsewhere `smtps` may mean STARTTLS: on its ports that is said, once, where the mailer is built."""
    for port in (587, 25):
        with pytest.warns(UserWarning, match=f"port {port} usually expects STARTTLS") as caught:
            Mailer(f"smtps://mail.example.com:{port}")
        assert [warning.filename for warning in caught] == [__file__]


# -- refusals

THERE_ARE = (
    "there are console, file, inbox, lmtp, memory, null, sendmail, smtp, smtps; "
    "and of several, failover(…) and roundrobin(…)"
)
REFUSED = {
    "": "begins with a scheme",
    "mail.example.com": "begins with a scheme",
    "mail.example.com:587": f"'mail.example.com'; {THERE_ARE}",
    "ftp://mail.example.com": f"'ftp'; {THERE_ARE}",
    "smtp://": "needs a host",
    "smtp:///queue": "needs a host",
    "smtp://mail.example.com/path": "takes no path",
    "smtp://mail.example.com#here": "no fragment",
    "smtp://mail example.com": "spaces",
    "smtp://mail.example.com\n": "control characters",
    "smtp://mail.example.com:x": "port is not a number",
    "smtp://mail.example.com:99999": "port is not a number",
    "smtp://[::1": "host cannot be read",
    "smtp://-mail-.example.com": "'-mail-' starts or ends with a hyphen",
    "smtp://1.2.3": "'1.2.3' is none",
    "smtp://zoe@mail.example.com": "a username needs a password",
    "smtp://:s3cret@mail.example.com": "a password needs a username",
    "smtp://zoe:50%s3cret@mail.example.com": "written %25",
    "smtp://zoe:%ffs3cret@mail.example.com": "not UTF-8",
    "smtp://zoe:s3cret%0a@mail.example.com": "the password holds a control character",
    "smtp://zoe%00:s3cret@mail.example.com": "the username holds a control character",
    "smtp://zoe:12?s3cret@mail.example.com": "%3F",
    "smtp://zoe:12?s3cret=x@mail.example.com": "%3F",
    "smtp://zoe:12?timeout=s3cret@mail.example.com": "%3F",
    "smtp://zoe:12?ca=s3cret@mail.example.com": "%3F",
    "smtps://zoe:12?x=1&s3cret=@mail.example.com": "%3F",
    "smtp://zoe:12/s3cret@mail.example.com": "%2F",
    "smtp://zoe:12#s3cret@mail.example.com": "%23",
    "smtp://h.example?tls=no": "tls='no': must be required, opportunistic or off",
    "smtps://h.example?tls=off": "takes no option tls",
    "smtp://h.example?timeout=soon": "timeout='soon': must be seconds",
    "smtp://h.example?timeout=0": "timeout='0'",
    "smtp://h.example?timeout=-1": "timeout='-1'",
    "smtp://h.example?timeout=nan": "timeout='nan'",
    "smtp://h.example?timeout=inf": "timeout='inf'",
    "smtp://h.example?timeout": "timeout=''",
    "smtp://h.example?final_timeout=86401": "at most 86400",
    "smtp://h.example?pool=0": "pool='0': must be a whole number",
    "smtp://h.example?pool=1.5": "pool='1.5'",
    "smtp://h.example?pool=٣": "pool='٣'",
    "smtp://h.example?verify=false": "verify='false': must be on or off",
    "smtp://h.example?ca=/nowhere.pem": "ca='/nowhere.pem': there is no such file",
    "smtp://h.example?ehlo=my..host": "ehlo='my..host'",
    "smtp://h.example?timeout=1&timeout=2": "timeout stands twice",
    "smtp://h.example?ssl=on": "'ssl'; there are auth, ca, chunking, deadline, ehlo, final_timeout",
    "smtp://zoe:s3cret@h.example?auth=ntlm": "auth='NTLM': must be PLAIN, LOGIN, CRAM-MD5, OAUTHBEARER or XOAUTH2",
    "smtp://zoe:s3cret@h.example?auth=XOAUTH2": "auth='XOAUTH2' needs a token provider",
    "smtp://h.example?auth=PLAIN": "auth='PLAIN' needs a user and a password",
    "smtp://h.example?ignore=": "ignore='': must be extensions, such as PIPELINING,SIZE",
    "smtp://h.example?ignore=SIZE;PIPELINING": "must be extensions, such as PIPELINING,SIZE",
    "smtp://h.example?ignore=size,starttls": "STARTTLS cannot be ignored: leave the user out, or say tls=off",
    "console:?color=on": "'color'; there are none",
    "memory://host": "takes no host",
    "null://zoe:s3cret@h": "takes no host",
    "file:": "needs a directory",
    "file:///": "needs a directory",
    "file://host/dir": "takes no host",
    "file:///dir?mode=1": "'mode'; there are none",
}


@pytest.mark.parametrize("url", REFUSED)
def test_what_is_refused(url: str) -> None:
    """The error names what is wrong and what would be right, and shows no user, password or URL with them."""
    with pytest.raises(ConfigurationError) as caught:
        Mailer(url)
    assert REFUSED[url] in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None  # nor in the traceback of a parser


@pytest.mark.parametrize("backend", [None, 25, b"smtp://h.example", object()])
def test_what_is_no_backend_at_all(backend: object) -> None:
    """Neither a URL nor a Backend: the type is named."""
    with pytest.raises(ConfigurationError, match=f"not {type(backend).__name__}"):
        Mailer(backend)  # type: ignore[arg-type]


def test_no_repr_shows_a_secret() -> None:
    """URL, settings, backend and mailer may be logged."""
    url = "smtp://zoe:s3cret@mail.example.com:2525"
    mailer = Mailer(url)
    for value in (BackendURL(url), settings(url), mailer.backend, mailer):
        assert "s3cret" not in repr(value)
        assert "mail.example.com" in repr(value)


# -- others


def test_file_urls() -> None:
    """A directory, percent-decoded; `localhost` is this machine (RFC 8089)."""
    for url in ("file:///var/my%20mail", "file://localhost/var/my%20mail"):
        backend = backend_from_url(url)
        assert isinstance(backend, FileBackend)
        assert str(backend.directory) == "/var/my mail"
        assert repr(backend) == "<FileBackend /var/my mail>"


def test_schemes_are_told_in_any_letter_case() -> None:
    """RFC 3986 3.1: schemes are case-insensitive."""
    assert settings("SMTP://h.example").host == "h.example"


def test_a_registered_scheme() -> None:
    """`register_backend` gives a scheme a meaning; its factory gets the parts of the URL."""

    class Pigeon(Backend):
        def __init__(self, url: BackendURL) -> None:
            url.refuse_options(("speed",))
            self.url = url

    register_backend("x-pigeon", Pigeon)
    backend = Mailer("x-pigeon://zoe:secret@loft.example/north?speed=60").backend
    assert isinstance(backend, Pigeon)
    assert (backend.url.host, backend.url.path, backend.url.options) == (
        "loft.example",
        "/north",
        {"speed": "60"},
    )
    with pytest.raises(ConfigurationError, match=r"x-pigeon: has no option 'food'; there are speed"):
        Mailer("x-pigeon://loft.example?food=corn")
    with pytest.raises(ConfigurationError, match="x-pigeon"):
        Mailer("nothing://")  # the list of those there are has it


def test_a_scheme_of_an_installed_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry point of the group `modernmail.backends` gives its scheme a meaning."""
    package = tmp_path / "pigeon-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: pigeon\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[modernmail.backends]\nx-installed = pigeon_post:Pigeon\n")
    (tmp_path / "pigeon_post.py").write_text(
        "from modernmail import Backend\nclass Pigeon(Backend):\n    def __init__(self, url): self.url = url\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    backend = Mailer("x-installed://loft.example").backend
    assert type(backend).__module__ == "pigeon_post"


@pytest.mark.parametrize("scheme", ["", "my scheme", "1x", "smtp:"])
def test_what_is_no_scheme(scheme: str) -> None:
    """A scheme that no URL could have is refused."""
    with pytest.raises(ConfigurationError, match="is not a URL scheme"):
        register_backend(scheme, lambda url: Backend())


def test_a_built_in_scheme_stays_what_it_is() -> None:
    """Nobody takes `smtp` over."""
    with pytest.raises(ConfigurationError, match="'SMTP' is built in"):
        register_backend("SMTP", lambda url: Backend())
