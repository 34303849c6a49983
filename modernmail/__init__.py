"""Compose mail, send it anywhere, lose nothing, and know what became of every recipient."""
