"""`modernmail inbox`: catch every mail while developing, and look at it in a browser."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from modernmail.errors import ConfigurationError
from modernmail.inbox import DiskStore, InboxServer, MemoryStore
from modernmail.inbox.backend import default_folder
from modernmail.mailer import Mailer

from .refusals import Refusals
from .staying import stay
from .terminal import out, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl

    from modernmail.inbox import Store
    from modernmail.inbox.web.release import Release

PASSWORD = "MODERNMAIL_INBOX_PASSWORD"  # noqa: S105 - the name of a variable


@click.command()
@click.option(
    "--smtp-port", type=click.IntRange(0, 65535), default=1025, show_default=True, help="0: a free one."
)
@click.option(
    "--http-port", type=click.IntRange(0, 65535), default=8025, show_default=True, help="0: a free one."
)
@click.option(
    "--dir", "folder", type=click.Path(file_okay=False, path_type=Path), help="Where mails are kept."
)
@click.option("--memory", is_flag=True, help="Keep mails in memory only.")
@click.option(
    "--limit", type=click.IntRange(1), default=10_000, show_default=True, help="Keep the newest so many."
)
@click.option("--max-age", type=click.FloatRange(0, min_open=True), help="Forget mails after so many days.")
@click.option(
    "--max-size",
    type=click.FloatRange(0, min_open=True),
    help="Keep the newest so many megabytes.  [default: 4000; in memory 1000]",
)
@click.option("--open", "open_page", is_flag=True, help="Open the page in a browser.")
@click.option(
    "--refuse",
    multiple=True,
    metavar="PATTERN[=REPLY]",
    help="Turn recipients away: *@a.example with 550, *@a.example=451 with that.",
)
@click.option("--accept-any-login", is_flag=True, help="Offer AUTH, and take every user and password.")
@click.option(
    "--tls-cert", type=click.Path(exists=True, dir_okay=False), help="Offer STARTTLS with this certificate."
)
@click.option(
    "--tls-key", type=click.Path(exists=True, dir_okay=False), help="Its key, if not in the same file."
)
@click.option("--implicit-tls", is_flag=True, help="Speak TLS from the first octet, as smtps:// wants it.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Another address needs --user.")
@click.option("--user", help=f"Ask for this user, and for the password in {PASSWORD}.")
@click.option("--hostname", multiple=True, metavar="NAME", help="A further name of the page.")
@click.option("--release-url", help="Let mails be released by this server …")
@click.option(
    "--release-allow", multiple=True, metavar="PATTERN", help="… to addresses such as *@example.com."
)
def inbox(
    smtp_port: int,
    http_port: int,
    folder: Path | None,
    memory: bool,
    limit: int,
    max_age: float | None,
    max_size: float | None,
    open_page: bool,
    refuse: tuple[str, ...],
    accept_any_login: bool,
    tls_cert: str | None,
    tls_key: str | None,
    implicit_tls: bool,
    host: str,
    user: str | None,
    hostname: tuple[str, ...],
    release_url: str | None,
    release_allow: tuple[str, ...],
) -> None:
    """Catch every mail that is sent here, and show it in a browser, until Ctrl-C.

    Nothing goes further. Point your program to the SMTP address that is printed; mails are kept in a folder,
    where `inbox:` as a mailer's URL puts them without SMTP.
    """
    if memory and folder:
        raise click.UsageError("--memory keeps nothing in --dir: choose one")
    bounds: dict[str, Any] = {"limit": limit, "max_age": None if max_age is None else max_age * 86_400}
    if max_size is not None:
        bounds["max_octets"] = int(max_size * 1_000_000)
    if implicit_tls and not tls_cert:
        raise click.UsageError("--implicit-tls needs --tls-cert")
    smtp: dict[str, object] = {
        "refuse": Refusals(refuse),
        "tls": _tls(tls_cert, tls_key),
        "implicit_tls": implicit_tls,
    }
    if accept_any_login:
        smtp["credentials"] = lambda _user, _password: True
    with ExitStack() as stack:
        store: Store = MemoryStore(**bounds)
        if not memory:
            store = DiskStore(folder or default_folder(), **bounds)
        stack.enter_context(store)
        server = stack.enter_context(
            InboxServer.threaded(
                store,
                host=host,
                http_port=http_port,
                smtp_port=smtp_port,
                credentials=_credentials(user),
                hostnames=hostname,
                release=_release(release_url, release_allow),
                smtp=smtp,
            )
        )
        show(server, store)
        if open_page:
            click.launch(server.url)
        stay()


def show(server: InboxServer, store: Store) -> None:
    """Print where things are."""
    console = out()
    rows = [("page", server.url), ("send to", server.smtp_url), ("API", f"{server.url}/api/openapi.json")]
    if isinstance(store, DiskStore):
        rows.append(("mails", str(store.folder / "mails")))
    console.print(Text("modernmail inbox", "bold"))
    for name, value in rows:
        console.print(Text.assemble((f"  {name:<8}", "dim"), printable(value)))
    console.print(Text("  Ctrl-C ends it", "dim"))


def _credentials(user: str | None) -> tuple[str, str] | None:
    if user is None:
        return None
    password = os.environ.get(PASSWORD)
    if not password:
        raise ConfigurationError(f"--user: the password is missing in the environment variable {PASSWORD}")
    return user, password


def _tls(certificate: str | None, key: str | None) -> ssl.SSLContext | None:
    if certificate is None:
        if key is not None:
            raise click.UsageError("--tls-key needs --tls-cert")
        return None
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        files = certificate if key is None else f"{certificate} and {key}"
        raise ConfigurationError(
            f"--tls-cert: {files}: no certificate and private key in PEM form that fit each other ({error.reason or error})"
        ) from error
    except OSError as error:
        raise ConfigurationError(f"--tls-cert: {certificate}: {error.strerror}") from error
    return context


def _release(url: str | None, allow: tuple[str, ...]) -> Release | None:
    if url is None and not allow:
        return None
    if url is None or not allow:
        raise click.UsageError("--release-url and --release-allow go together")
    from modernmail.inbox.web.release import Release

    return Release(Mailer(url), allow)
