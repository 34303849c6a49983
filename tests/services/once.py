"""What does not depend on the Python version need not run on each: `--skip-once` leaves it out.

The full run (`nox`) gives everything to the first Python it finds, and this option to the others.
"""

from __future__ import annotations

import pytest

# Browsers and other people's engines are slow to start, and speak to any Python through the same socket.
FIXTURES = frozenset({"chromium", "engine", "postgres", "rabbitmq", "running_redis"})


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.addoption(
        "--skip-once", action="store_true", help="leave out tests marked `once`: another Python runs them"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests that take one of `FIXTURES`, and leave out those marked when asked to."""
    for item in items:
        if FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.once)
    if config.getoption("skip_once"):
        left_out = [item for item in items if item.get_closest_marker("once")]
        items[:] = [item for item in items if not item.get_closest_marker("once")]
        config.hook.pytest_deselected(items=left_out)
