"""A failing test shows what its servers logged while it ran."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .process import Log

if TYPE_CHECKING:
    from collections.abc import Generator


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add a section for each fixture value that has a `log`."""
    report = yield
    if report.failed and isinstance(item, pytest.Function):
        logs = {getattr(value, "log", None): name for name, value in item.funcargs.items()}
        report.sections.extend(
            (f"log of {name}", log.since_mark()) for log, name in logs.items() if isinstance(log, Log)
        )
    return report
