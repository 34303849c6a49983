"""What `import modernmail` brings in, and what it gives."""

from __future__ import annotations

import subprocess
import sys

import pytest

import modernmail

HEAVY = (
    "asyncio",
    "ssl",
    "sqlite3",
    "smtplib",
    "aiosmtplib",
    "email",
    "http",
    "urllib",
    "logging",
    "re",
    "typing",
)
COMPOSED = (
    "modernmail.Message('Hi', 'Hello', from_email='a@example.com', to='Zoë <b@bücher.example>').as_bytes()"
)
SENT = "modernmail.Mailer('memory:', from_email='a@example.com').send(modernmail.Message('Hi', 'x', to='b@example.com'))"


def loaded_after(program: str) -> set[str]:
    """Return the modules that a fresh interpreter has after a program, beyond those it starts with."""
    script = f"import sys; before = set(sys.modules)\n{program}\nprint(*sorted(set(sys.modules) - before))"
    done = subprocess.run(
        [sys.executable, "-I", "-W", "error", "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return set(done.stdout.split())


def test_import_is_light() -> None:
    """`import modernmail` brings in none of the large modules, `email` and `asyncio` among them."""
    loaded = loaded_after("import modernmail")
    assert not loaded & set(HEAVY)
    assert "modernmail.message" in loaded
    assert "modernmail.smtp" not in loaded


@pytest.mark.parametrize("program", [COMPOSED, SENT], ids=["compose", "send to memory"])
def test_composing_is_light(program: str) -> None:
    """Composing a mail, and keeping it in memory, needs no network, no event loop and no email package."""
    loaded = loaded_after(f"import modernmail; {program}")
    assert not loaded & {"asyncio", "ssl", "sqlite3", "smtplib", "aiosmtplib", "email", "socket", "logging"}


def test_sync_smtp_needs_no_asyncio() -> None:
    """A sync program that sends over SMTP loads smtplib, and neither asyncio nor aiosmtplib."""
    program = (
        "import modernmail\n"
        "try: modernmail.Mailer('smtp://127.0.0.1:1').verify()\n"
        "except modernmail.errors.ConnectFailed: pass\n"
    )
    loaded = loaded_after(program)
    assert "smtplib" in loaded
    assert not loaded & {"asyncio", "aiosmtplib"}


def test_every_public_name_is_there() -> None:
    """`__all__` is sorted as people read it, each of its names exists, and a star import gives just them."""
    names = modernmail.__all__
    assert len(set(names)) == len(names)
    assert all(getattr(modernmail, name) is not None for name in names)
    for name in ("Address", "Attachment", "Envelope", "Mailer", "Message", "Receipt", "configure", "mailers"):
        assert name in names
    for name in ("send_mail", "asend_mail", "send_mass_mail", "asend_mass_mail", "register_backend"):
        assert name in names


def test_the_package_is_typed() -> None:
    """The marker of PEP 561 is shipped."""
    from importlib.resources import files

    assert files("modernmail").joinpath("py.typed").is_file()
