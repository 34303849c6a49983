"""The contract: kept by every layer and backend of ours, and a fault of each kind is found."""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
from typing import TYPE_CHECKING

import pytest
from backends.everyone import BACKENDS as EVERY_BACKEND
from backends.everyone import Everyone

import modernmail
from modernmail.backends.backend import Backend, accepted
from modernmail.backends.file import FileBackend
from modernmail.backends.memory import MemoryBackend
from modernmail.backends.url import _BUILT_IN, COMPOSITES, backend_from_url
from modernmail.layers import (
    DKIM,
    Archive,
    Defaults,
    Layer,
    MemorySuppressions,
    Overrides,
    RateLimit,
    Redirect,
    RedisLimits,
    Retry,
    SQLiteLimits,
    SQLiteSuppressions,
    Suppress,
)
from modernmail.testing import check_backend, check_layer
from modernmail.testing.contract import BACKEND_RULES, LAYER_RULES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from services.redis import Redis

    from modernmail.parcel import Parcel
    from modernmail.receipt import Receipt
    from modernmail.runtime import IO

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


def test_layers_on_redis(redis: Redis) -> None:
    """And those whose store is a Redis."""
    limits = RedisLimits(redis.url)
    check_layer(lambda: RateLimit("100000/s", burst=1000, store=limits))
    limits.close()


@pytest.fixture
def backend(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Everyone]:
    """A backend by its name, and what it needs."""
    with Everyone(request.param, tmp_path, monkeypatch) as one:
        yield one


@pytest.mark.parametrize("rule", BACKEND_RULES, ids=lambda rule: rule.__name__.strip("_"))
@pytest.mark.parametrize("backend", EVERY_BACKEND, indirect=True)
@pytest.mark.parametrize("mode", ["sync", "async"])
def test_backend(
    backend: Everyone,
    rule: Callable[[Callable[[], object], Sequence[str], str], None],
    mode: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Every backend keeps every rule of the contract, sync and async."""
    rule(
        lambda: backend_from_url(backend.url), ["ann@example.com", "bob@example.com", "zoe@example.com"], mode
    )


def kinds(base: type) -> set[type]:
    """Return the classes of the package that descend from a base."""
    for module in pkgutil.walk_packages(modernmail.__path__, "modernmail."):
        if module.name.startswith(("modernmail.backends", "modernmail.layers", "modernmail.inbox.backend")):
            importlib.import_module(module.name)
    found: set[type] = set()
    left = [base]
    while left:
        for kind in left.pop().__subclasses__():
            left.append(kind)
            if kind.__module__.startswith("modernmail.") and ".testing" not in kind.__module__:
                found.add(kind)
    return found


def test_none_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tables above name every layer and every backend that the package has, but for abstract ones."""
    held = {type(make()) for make in LAYERS.values()}
    assert {kind for kind in kinds(Layer) - held if not kind.__name__.startswith("_")} == {DKIM}, (
        "see test_dkim.py"
    )
    held = set()
    for name in EVERY_BACKEND:
        folder = tmp_path / name
        folder.mkdir()
        with Everyone(name, folder, monkeypatch) as one:
            held.add(type(backend_from_url(one.url)))
    left = {kind.__name__ for kind in kinds(Backend) - held}
    assert left <= ABSTRACT
    assert {*_BUILT_IN, *COMPOSITES, "inbox"} == {name.partition(",")[0] for name in EVERY_BACKEND}


ABSTRACT = {"Several"}


class Napping(Backend):
    """Waits by asyncio alone."""

    async def send(self, parcel: Parcel, io: IO) -> Receipt:
        """Wait, then accept."""
        await asyncio.sleep(0)
        await asyncio.sleep(0.001)
        return accepted(parcel, "after a nap")


class Faulty(Backend):
    """Raises what is no error of mail."""

    async def send(self, parcel: Parcel, io: IO) -> Receipt:
        """Fail."""
        raise KeyError("a fault of its own")


class Silent(Backend):
    """Gives no receipt."""

    async def send(self, parcel: Parcel, io: IO) -> Receipt:
        """Say nothing."""
        return None  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (
            Napping,
            "it waits in a sync program, where no event loop runs: wait by `io` alone\nthe rule, sync: ",
        ),
        (
            Faulty,
            "KeyError: 'a fault of its own'\nthe rule, sync: Each parcel that is pulled has one receipt",
        ),
        (Silent, "\nthe rule, sync: Each parcel that is pulled has one receipt"),
        (Backend, "NotImplementedError: Backend must write send() or deliver()\nthe rule, sync: "),
    ],
)
def test_a_broken_backend_is_told_the_rule(broken: Callable[[], Backend], said: str) -> None:
    """Whatever a backend does instead is an `AssertionError` that names the rule and the mode."""
    with pytest.raises(AssertionError) as caught:
        check_backend(broken)
    assert said in str(caught.value)
