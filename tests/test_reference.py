"""The reference shows all that is public: the pages name each class, and what it inherits stands somewhere too."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import modernmail
from modernmail import inbox, layers, lint, oauth2, reading, tasks, testing, unsubscribe

PAGES = Path(__file__).parent.parent / "docs" / "reference"
DIRECTIVE = re.compile(r"\.\. auto(\w+):: (modernmail[\w.]*)\n((?:   :[^\n]*\n)*)")


def resolve(path: str) -> Any:
    """Return what an import path names; a function before a module of its name, as Sphinx does."""
    home, _, name = path.rpartition(".")
    try:
        return getattr(import_module(home), name) if home else import_module(name)
    except (ModuleNotFoundError, AttributeError):
        return import_module(path)


def shown() -> tuple[set[Any], set[Any]]:
    """Return what the pages show by its name, and the classes of which members are shown."""
    things, classes = set(), set()
    for page in [*PAGES.glob("*.rst"), *PAGES.glob("*.md")]:
        for kind, path, options in DIRECTIVE.findall(page.read_text()):
            found = resolve(path)
            members = [getattr(found, name) for name in dir(found)] if kind == "module" else [found]
            for thing in members:
                if getattr(thing, "__module__", "").startswith("modernmail"):
                    things.add(id(thing))
                    if inspect.isclass(thing) and ":no-members:" not in options:
                        bases = inspect.getmro(thing) if ":inherited-members:" in options else (thing,)
                        classes.update(bases)
    return things, classes


THINGS, CLASSES = shown()
OUR_OWN = {"EngineBackend"}  # of what our adapters for engines are made
PUBLIC = [
    (package.__name__, name)
    for package in (modernmail, tasks, layers, testing, inbox, lint, reading, oauth2, unsubscribe)
    for name in package.__all__
    if callable(getattr(package, name))
]


@pytest.mark.once
@pytest.mark.parametrize(("package", "name"), PUBLIC)
def test_the_reference_shows_what_is_public(package: str, name: str) -> None:
    """Each public function and class of a package is on a page."""
    assert id(getattr(import_module(package), name)) in THINGS, (
        f"{package}.{name} is on no page of docs/reference"
    )


@pytest.mark.once
@pytest.mark.parametrize("owner", sorted(CLASSES, key=repr), ids=lambda owner: owner.__name__)
def test_the_reference_shows_what_a_class_inherits(owner: type) -> None:
    """A method or property that a shown class has from one of ours is shown there, or with the class that has it."""
    for base in inspect.getmro(owner)[1:]:
        if not base.__module__.startswith("modernmail") or base in CLASSES or base.__name__ in OUR_OWN:
            continue
        hidden = [
            name
            for name, member in vars(base).items()
            if not name.startswith("_")
            and (isinstance(member, property) or callable(member))
            and member.__doc__
        ]
        assert not hidden, f"{owner.__name__} has {hidden[0]} of {base.__name__}: say :inherited-members:"
