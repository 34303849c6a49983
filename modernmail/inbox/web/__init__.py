"""The inbox in a browser: pages, the preview of hostile HTML, live updates, and the HTTP API."""

from __future__ import annotations

from .app import create_app

__all__ = ["create_app"]
