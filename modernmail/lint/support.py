"""What mail clients make of a mail's HTML, by the tests of caniemail.com.

The data is `data/caniemail.json`, made by `python -m modernmail.lint.update` from the npm package `caniemail`
(MIT; its licence is beside it). One letter a client: `y` supported, `a` partly, `n` not, `u` unknown, `-` not
tested.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from .features import find_features

_TRIVIAL = 0.985  # of the clients: what nearly all support is no news


@dataclass(frozen=True, slots=True)
class ClientSupport:
    """A client (`Outlook, Windows`) and what it does: `yes`, `partly`, `no` or `unknown`."""

    client: str
    support: str


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature that a mail uses, and who supports it."""

    slug: str
    title: str
    clients: tuple[ClientSupport, ...]

    @property
    def url(self) -> str:
        """Where the tests and notes are."""
        return f"https://www.caniemail.com/features/{self.slug}/"

    @property
    def known(self) -> int:
        """The number of clients tested."""
        return sum(1 for client in self.clients if client.support != "unknown")

    @property
    def lacking(self) -> tuple[str, ...]:
        """The clients without it."""
        return tuple(client.client for client in self.clients if client.support == "no")

    @property
    def share(self) -> float:
        """The part of the tested clients that support it, partly counting half."""
        points = {"yes": 1.0, "partly": 0.5}
        return sum(points.get(client.support, 0.0) for client in self.clients) / (self.known or 1)


@dataclass(frozen=True, slots=True)
class Support:
    """The features of a mail that not all clients support, least supported first; `date` is the data's."""

    features: tuple[Feature, ...]
    used: int
    share: float
    date: str


def html_support(html: str) -> Support:
    """Return what mail clients make of `html`; `share` is the mean over all features it uses (1 without any).

    >>> html_support("<p style='display: grid'>").features[0].slug
    'css-display-grid'
    """
    data = _data()
    used = [_feature(slug) for slug in find_features(html, frozenset(data["features"]))]
    lacking = sorted((f for f in used if f.share < _TRIVIAL), key=lambda f: (f.share, f.slug))
    share = sum(feature.share for feature in used) / len(used) if used else 1.0
    return Support(tuple(lacking), len(used), share, data["date"])


@cache
def _data() -> Any:
    return json.loads((files(__package__) / "data" / "caniemail.json").read_text("utf-8"))


@cache
def _feature(slug: str) -> Feature:
    data = _data()
    title, letters = data["features"][slug]
    words = {"y": "yes", "a": "partly", "n": "no", "u": "unknown"}
    tested = zip(data["clients"], letters, strict=True)
    clients = tuple(ClientSupport(client, words[letter]) for client, letter in tested if letter != "-")
    return Feature(slug, title, clients)
