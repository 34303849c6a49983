"""The smtp-sink fixture does what the tests that use it count on."""

from __future__ import annotations

import smtplib
from typing import TYPE_CHECKING

import pytest

from .process import service_folder
from .sink import Sink

if TYPE_CHECKING:
    from collections.abc import Sequence

CONTENT = b"Subject: hi\r\n\r\n.dot\r\nlast line\r\n"


def test_takes_any_mail(smtp_sink: Sink) -> None:
    """Mail to anyone is accepted, by a server that pipelines."""
    with smtplib.SMTP("127.0.0.1", smtp_sink.port, timeout=10) as client:
        assert client.sendmail("me@example.com", ["anyone@anywhere.example"], CONTENT) == {}
        assert client.has_extn("pipelining")
        assert client.has_extn("8bitmime")


def test_dumps_what_it_took() -> None:
    """With `dump`, the envelope and the content can be read."""
    with service_folder("sink") as folder, Sink(folder, dump=True) as sink:
        with smtplib.SMTP("127.0.0.1", sink.port, timeout=10) as client:
            client.sendmail("me@example.com", ["zoe@example.com"], CONTENT)
        (dumped,) = sink.dumped()
    assert b"X-Mail-Args: <me@example.com>" in dumped
    assert b"X-Rcpt-Args: <zoe@example.com>" in dumped
    assert dumped.rstrip(b"\n").endswith(CONTENT.replace(b"\r\n", b"\n").rstrip(b"\n"))


@pytest.mark.parametrize(
    ("options", "extension"), [(["-p"], "pipelining"), (["-8"], "8bitmime")], ids=["pipelining", "8bitmime"]
)
def test_hides_an_extension(options: Sequence[str], extension: str) -> None:
    """An option of its own takes an extension away."""
    with (
        service_folder("sink") as folder,
        Sink(folder, options=options) as sink,
        smtplib.SMTP("127.0.0.1", sink.port, timeout=10) as client,
    ):
        client.ehlo()
        assert not client.has_extn(extension)
