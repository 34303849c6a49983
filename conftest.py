"""The fixtures every test may ask for, and the examples of the README and of the documentation as tests.

Each page runs in an empty folder of its own. A block that only shows something is preceded by
`<!--- skip: next -->`.
"""

from __future__ import annotations

import os
import sys
from doctest import ELLIPSIS, IGNORE_EXCEPTION_DETAIL
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sybil import Sybil
from sybil.parsers.myst import PythonCodeBlockParser, SkipParser
from sybil.sybil import SybilCollection

if TYPE_CHECKING:
    from collections.abc import Iterator

# A spawned process unpickles functions of `tests.…`; last, so that the installed package is the one under test.
sys.path.append(str(Path(__file__).parent))

pytest_plugins = [
    "services.ending",
    "services.interrupts",
    "services.keeper",
    "services.once",
    "services.reporting",
    "services.certificates",
    "services.chromium",
    "services.dovecot",
    "services.exim",
    "services.opensmtpd",
    "services.postfix",
    "services.postgres",
    "services.rabbitmq",
    "services.redis",
    "services.sink",
]


@pytest.fixture(scope="module")
def page_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Be in an empty folder while the examples of one page run, and leave none of their mailers and queues to the next page."""
    import modernmail
    from modernmail import tasks

    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("page"))
    yield
    tasks.configure({})
    modernmail.configure({})
    os.chdir(before)


_PARSERS = [PythonCodeBlockParser(doctest_optionflags=ELLIPSIS | IGNORE_EXCEPTION_DETAIL), SkipParser()]
_BY_SMTP = [  # to real servers of their own
    "docs/explanation/what-became-of-my-mail.md",
    "docs/how-to/_test-by-smtp.md",
    "docs/how-to/retry.md",
    "docs/how-to/see-mail.md",
    "docs/how-to/tune.md",
]

pytest_collect_file = SybilCollection(
    [
        Sybil(
            parsers=_PARSERS,
            patterns=["README.md", "docs/*.md", "docs/**/*.md"],
            excludes=["docs/_build/**", *_BY_SMTP],
            fixtures=["page_folder", "outbox"],
        ),
        Sybil(parsers=_PARSERS, patterns=_BY_SMTP, fixtures=["page_folder"]),
    ]
).pytest()

# Longest first: with several processes a long file begun last is waited for alone.
_LONG = (
    "test_faults.py",
    "test_browser.py",
    "test_linear.py",
    "test_hostile.py",
    "test_accessibility.py",
    "test_engines.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take longest first."""
    items.sort(key=lambda item: item.path.name not in _LONG)
