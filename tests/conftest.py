"""The fixtures every test may ask for."""

from __future__ import annotations

pytest_plugins = [
    "services.reporting",
    "services.certificates",
    "services.dovecot",
    "services.postfix",
]
