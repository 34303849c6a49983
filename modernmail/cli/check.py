"""`modernmail check`: can mail go there, and what does the server offer?"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from time import perf_counter

import click
from rich.text import Text

from modernmail.mailer import Mailer

from .terminal import octets, out, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

_SOON = 21  # days: a certificate that ends earlier deserves a second look


@click.command()
@click.argument("url", required=False)
def check(url: str | None) -> None:
    """Connect to URL (MODERNMAIL_URL by default), greet, secure, log in and quit: no mail is sent.

    Says what the server offers: TLS and its certificate, login mechanisms, extensions, the largest mail it takes, and how
    often each mail has to wait for it; and which layers stand around it, such as a staging guard.
    """
    url = url or os.environ.get("MODERNMAIL_URL")
    if not url:
        raise click.UsageError("say what to check: modernmail check smtp://mail.example.com")
    with Mailer(url) as mailer:
        began = perf_counter()
        facts = mailer.verify()
        seconds = perf_counter() - began
        settings = getattr(mailer.backend, "settings", None)
    console = out()
    where = "it" if settings is None else settings.where
    console.print(
        Text.assemble(
            ("✓ ", "bold green"), f"{printable(where)} takes mail ", (f"({seconds * 1000:.0f} ms)", "dim")
        )
    )
    rows = list(_session_rows(facts, settings) if "extensions" in facts else _plain_rows(facts))
    if mailer.layers:
        rows.append(("layers", ", ".join(repr(layer).strip("<>") for layer in mailer.layers)))
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        shown = value if isinstance(value, Text) else Text(printable(value))
        console.print(Text.assemble((f"  {name:<{width}}  ", "dim"), shown))


def _plain_rows(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Give what a backend that is no server says of itself."""
    for name, value in facts.items():
        yield name.replace("_", " "), str(value)


def _session_rows(facts: Mapping[str, Any], settings: Any) -> Iterator[tuple[str, str | Text]]:
    """Give what an SMTP server said."""
    yield "greeting", facts["greeting"]
    yield "TLS", _tls(facts)
    if facts["certificate_expires"]:
        yield "certificate", _expiry(facts["certificate_expires"])
    yield "login", ", ".join(facts["auth"]) or "none offered"
    if settings is not None and settings.username is not None:
        yield "logged in", f"as {settings.username}"
    yield "size limit", octets(facts["max_size"]) if facts["max_size"] else "none stated"
    others = [name for name in facts["extensions"] if name not in ("AUTH", "SIZE")]
    yield "extensions", ", ".join(others) or "none"
    yield "round trips", _round_trips(facts["round_trips"], settings)


def _round_trips(count: int, settings: Any) -> str:
    """Return how often mail waits for the server, once the connection is open."""
    if count == 1:
        window = 1 if settings is None else settings.window
        many = f", 1 for {window} of many" if window > 1 else ""
        return f"1 a mail{many} (BDAT: commands and content go in one write)"
    if count == 2:
        return "2 a mail, 1 for each of many (commands go in one write)"
    return f"{count} a mail, 1 more for each further recipient (no PIPELINING: one for each command)"


def _tls(facts: Mapping[str, Any]) -> Text:
    if facts["tls"] is None:
        return Text("none: mail goes in clear", "yellow")
    if facts["tls_verified"]:
        return Text(f"{facts['tls']}, certificate verified", "green")
    return Text(f"{facts['tls']}, certificate not verified", "yellow")


def _expiry(when: str) -> Text:
    """Return until when the certificate is valid, from the form that OpenSSL prints."""
    end = datetime.strptime(when, "%b %d %H:%M:%S %Y %Z").replace(tzinfo=UTC)
    days = (end - datetime.now(UTC)).days
    return Text(f"valid until {end:%Y-%m-%d}, {days} days from now", "yellow" if days < _SOON else "")
