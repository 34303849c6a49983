"""Names of module-level things: `"package.module.name"`, and `resolve`, which finds what one names."""

from __future__ import annotations

from importlib import import_module


def resolve(path: str) -> object:
    """Return what the path names, importing its module.

    Raises `ImportError` when there is no such module and `AttributeError` when it has no such name; what the
    module itself raises while it is imported passes through.

    >>> resolve("os.path.join").__name__
    'join'
    """
    parts = path.split(".")
    if not all(parts):
        raise ImportError(f"{path!r} is not of the form package.module.name")
    for cut in range(len(parts) - 1, 0, -1):
        name = ".".join(parts[:cut])
        try:
            found: object = import_module(name)
        except ModuleNotFoundError as missing:
            # A class inside a class: its "module" is none. Anything else that is missing is the module's own
            # fault.
            if cut > 1 and missing.name is not None and f"{name}.".startswith(f"{missing.name}."):
                continue
            raise
        for part in parts[cut:]:
            found = getattr(found, part)
        return found
    raise ImportError(f"{path!r} is not of the form package.module.name")
