"""The contract: kept by every layer and backend of ours, and a fault of each kind is found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from modernmail.backends.console import ConsoleBackend
from modernmail.backends.file import FileBackend
from modernmail.backends.memory import MemoryBackend
from modernmail.backends.null import NullBackend
from modernmail.backends.url import backend_from_url
from modernmail.layers import (
    Archive,
    Defaults,
    Layer,
    MemorySuppressions,
    Overrides,
    RateLimit,
    Redirect,
    Retry,
    SQLiteLimits,
    SQLiteSuppressions,
    Suppress,
)
from modernmail.testing import ScriptedSMTPServer, check_layer
from modernmail.testing.contract import BACKEND_RULES, LAYER_RULES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

LAYERS: dict[str, Callable[[], Layer]] = {
    "nothing": Layer,
    "retry": lambda: Retry(max_attempts=3, delay=0.5),
    "ratelimit": lambda: RateLimit("100000/s", burst=1000),
    "ratelimit, refusing": lambda: RateLimit("1/day", patience=0, unit="recipients"),
    "redirect, to": lambda: Redirect(to=["dev@example.com", "qa@example.com"]),
    "redirect, to nobody": lambda: Redirect(to=[]),
    "redirect, allow": lambda: Redirect(allow=["ann@*"]),
    "redirect, allow nobody": lambda: Redirect(allow=[]),
    "suppress": lambda: Suppress(["bob@example.com"]),
    "suppress, a function": lambda: Suppress(lambda address: address.startswith("zoe")),
    "suppress, everybody": lambda: Suppress(MemorySuppressions(f"{n}@example.com" for n in ("ann", "bob", "zoe"))),
    "archive": lambda: Archive("memory:"),
    "archive, to": lambda: Archive(MemoryBackend(), to="archive@example.com"),
    "defaults": lambda: Defaults({"X-Many": "no", "X-One": "grün"}, reply_to=["a@example.com"], tags=["x"]),
    "overrides": lambda: Overrides({"X-Many": "yes", "X-One": "1"}, reply_to="a@example.com"),
}  # fmt: skip


@pytest.mark.parametrize("rule", LAYER_RULES, ids=lambda rule: rule.__name__.strip("_"))
@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("mode", ["sync", "async"])
def test_layer(name: str, rule: Callable[[Callable[[], Layer], str], None], mode: str) -> None:
    """Every layer keeps every rule of the contract, sync and async."""
    rule(LAYERS[name], mode)


def test_layers_on_files(tmp_path: Path) -> None:
    """Layers whose store is a SQLite file keep the contract as well."""
    suppressed = SQLiteSuppressions(tmp_path / "suppressed.sqlite")
    suppressed.add("bob@example.com", "bounced")
    check_layer(lambda: Suppress(suppressed))
    limits = SQLiteLimits(tmp_path / "limits.sqlite")
    check_layer(lambda: RateLimit("100000/s", burst=1000, store=limits))
    check_layer(lambda: Archive(FileBackend(tmp_path / "archive")))


@pytest.fixture
def server() -> Iterator[ScriptedSMTPServer]:
    """A server that takes everything."""
    with ScriptedSMTPServer() as running:
        yield running


BACKENDS = ["console", "file", "memory", "null", "smtp", "smtp, a pool", "smtp, chunking"]


@pytest.mark.parametrize("rule", BACKEND_RULES, ids=lambda rule: rule.__name__.strip("_"))
@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("mode", ["sync", "async"])
def test_backend(
    name: str,
    rule: Callable[[Callable[[], object], Sequence[str], str], None],
    mode: str,
    server: ScriptedSMTPServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Every backend keeps every rule of the contract, sync and async."""
    make = {
        "console": ConsoleBackend,
        "file": lambda: FileBackend(tmp_path),
        "memory": MemoryBackend,
        "null": NullBackend,
        "smtp": lambda: backend_from_url(server.url()),
        "smtp, a pool": lambda: backend_from_url(server.url(pool=3)),
        "smtp, chunking": lambda: backend_from_url(server.url(chunking="on", window=4)),
    }
    rule(make[name], ["ann@example.com", "bob@example.com", "zoe@example.com"], mode)
