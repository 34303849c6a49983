"""`modernmail` a second time, with the counting written in, and in the place of the first while `counted()` lasts."""

from __future__ import annotations

import importlib
import sys
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder, SourceFileLoader
from typing import TYPE_CHECKING, Any

from . import cost
from .instrument import NAME, instrumented

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType, ModuleType

PACKAGE = "modernmail"
_modules: dict[str, ModuleType] = {}


class _Loader(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return compile(instrumented(self.get_data(path), path), path, "exec", dont_inherit=True)

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__[NAME] = cost
        super().exec_module(module)


class _Finder(MetaPathFinder):
    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        if fullname.partition(".")[0] != PACKAGE:
            return None
        spec = PathFinder.find_spec(fullname, path or _parent_path())
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


def _parent_path() -> list[str] | None:
    """Return where the package itself is, which an editable installation may have put outside of sys.path."""
    return [str(importlib.import_module("pathlib").Path(_first.__file__ or "").parent.parent)]


_first = importlib.import_module(PACKAGE)


@contextmanager
def counted() -> Iterator[Callable[[Callable[[], object]], int]]:
    """Put the counting copy in the place of `modernmail`; give a function that counts the steps of a call.

    What the block imports is of that copy.

    >>> with counted() as steps_of:
    ...     from modernmail import Address
    ...     steps_of(lambda: Address("a@example.com")) > 10
    True
    """
    before = _taken_out()
    sys.modules.update(_modules)
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        yield _steps_of
    finally:
        sys.meta_path.remove(finder)
        _modules.update(_taken_out())
        sys.modules.update(before)


def _steps_of(call: Callable[[], object]) -> int:
    cost.steps = 0
    call()
    return cost.steps


def _taken_out() -> dict[str, ModuleType]:
    names = [name for name in sys.modules if name.partition(".")[0] == PACKAGE]
    return {name: sys.modules.pop(name) for name in names}
