"""Every example in a docstring of the package does what it says."""

from __future__ import annotations

import doctest
import importlib
import io
import pkgutil
from typing import TYPE_CHECKING

import pytest

import modernmail

if TYPE_CHECKING:
    from collections.abc import Iterator


def _modules() -> list[str]:
    found = pkgutil.walk_packages(modernmail.__path__, "modernmail.")
    return ["modernmail", *(module.name for module in found if not module.name.endswith("__main__"))]


def _examples() -> Iterator[doctest.DocTest]:
    everything, this_only = doctest.DocTestFinder(), doctest.DocTestFinder(recurse=False)
    for name in _modules():
        module = importlib.import_module(name)
        found = this_only.find(module)
        # a copy: a module with late attributes may grow while the finder looks around
        for attribute, value in list(vars(module).items()):
            if getattr(value, "__module__", None) == name and (isinstance(value, type) or callable(value)):
                found += everything.find(value, f"{name}.{attribute}", module=module)
        yield from (example for example in found if example.examples)


@pytest.mark.parametrize(
    "example", list(_examples()), ids=lambda example: example.name.removeprefix("modernmail.")
)
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
