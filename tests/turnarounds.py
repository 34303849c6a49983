"""The proxy of the benchmarks that counts turnarounds, for tests that count them too."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

_FILE = Path(__file__).parents[1] / "benchmarks" / "waiting" / "proxy.py"

# By its path: in the benchmarks' own folder are files named like modules of the standard library.
_spec = spec_from_file_location("turnarounds_proxy", _FILE)
assert _spec is not None
assert _spec.loader is not None
_module = module_from_spec(_spec)
_spec.loader.exec_module(_module)

Proxy = _module.Proxy
