"""`modernmail dkim`: keys for signing, and the DNS records that go with them."""

from __future__ import annotations

import os
from pathlib import Path

import click
from rich.text import Text

from modernmail.errors import InvalidAddress
from modernmail.grammar.domain import domain_ascii
from modernmail.layers.dkim.keys import SigningKey, new_key

from .terminal import err, out, printable

_STRING = 255  # octets that one string of a TXT record holds (RFC 1035 3.3)


@click.group()
def dkim() -> None:
    """Make keys that sign your mail, and say what to put into the DNS."""


@dkim.command(short_help="Make a private key, and print its DNS record.")
@click.option("--domain", required=True, metavar="DOMAIN", help="Whose mail is signed.")
@click.option(
    "--selector", default="mail", show_default=True, metavar="NAME", help="The name of this key in the DNS."
)
@click.option("--type", "kind", type=click.Choice(["rsa", "ed25519"]), default="rsa", show_default=True)
@click.option("--bits", type=int, default=2048, show_default=True, help="The size of an RSA key.")
@click.option(
    "--out", "file", metavar="FILE", help="Where the private key goes [default: SELECTOR.DOMAIN.pem]."
)
def keygen(domain: str, selector: str, kind: str, bits: int, file: str | None) -> None:
    """Make a private key, in a file that only you can read, and print the DNS record for its public half.

    A file that exists is never overwritten.
    """
    name = _record_name(domain, selector)
    path = Path(file or f"{selector}.{domain}.pem")
    pem = new_key(kind, bits=bits)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise click.BadParameter(
            f"{str(path)!r} cannot be made: {error.strerror}", param_hint="--out"
        ) from error
    with os.fdopen(descriptor, "wb") as target:
        target.write(pem)
    err().print(
        Text.assemble(
            ("✓ ", "bold green"), "the private key is in ", (printable(path), "bold"), ": keep it secret"
        )
    )
    if kind == "ed25519":
        err().print(Text("  large receivers do not verify Ed25519: sign by RSA as well", "yellow"))
    _show(name, SigningKey(pem).record)


@dkim.command()
@click.argument("file", metavar="KEYFILE")
@click.option("--domain", required=True, metavar="DOMAIN", help="Whose mail is signed.")
@click.option(
    "--selector", default="mail", show_default=True, metavar="NAME", help="The name of this key in the DNS."
)
def record(file: str, domain: str, selector: str) -> None:
    """Print the DNS record for the private key in KEYFILE."""
    _show(_record_name(domain, selector), SigningKey(Path(file)).record)


def _record_name(domain: str, selector: str) -> str:
    for option, value in (("--domain", domain), ("--selector", selector)):
        try:
            domain_ascii(value)
        except InvalidAddress as error:
            raise click.BadParameter(f"{value!r}: {error.reason}", param_hint=option) from None
    return f"{domain_ascii(selector)}._domainkey.{domain_ascii(domain)}"


def _show(name: str, value: str) -> None:
    """Print the record as a zone file has it: a long value in several strings."""
    strings = [f'"{value[at : at + _STRING]}"' for at in range(0, len(value), _STRING)]
    err().print(Text("put this into the DNS:", "dim"))
    text = strings[0] if len(strings) == 1 else "( " + "\n    ".join(strings) + " )"
    out().print(Text(f"{name}. IN TXT {text}"))
