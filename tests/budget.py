"""`in_both_runs`: a property for the default run, with few examples, and for `nox -s fuzz`, with many."""

from __future__ import annotations

import pytest

in_both_runs = pytest.mark.parametrize("run", ["few", pytest.param("many", marks=pytest.mark.fuzz)])
