"""Every example in a docstring of the package does what it says."""

from __future__ import annotations

import doctest
import importlib
import io
import pkgutil

import pytest

import modernmail


def _modules() -> list[str]:
    found = pkgutil.walk_packages(modernmail.__path__, "modernmail.")
    return ["modernmail", *(module.name for module in found if not module.name.endswith("__main__"))]


def _examples() -> list[doctest.DocTest]:
    finder = doctest.DocTestFinder(exclude_empty=True)
    return [
        example
        for name in _modules()
        for example in finder.find(importlib.import_module(name))
        if example.examples
    ]


@pytest.mark.parametrize("example", _examples(), ids=lambda example: example.name.removeprefix("modernmail."))
def test_docstring(
    example: doctest.DocTest, tmp_path: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The example gives what its docstring shows; files it writes go to an empty folder."""
    monkeypatch.chdir(str(tmp_path))
    runner = doctest.DocTestRunner(
        optionflags=doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL, verbose=False
    )
    report = io.StringIO()
    runner.run(example, out=report.write)
    assert not runner.failures, report.getvalue()
