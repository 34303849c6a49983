"""Where mail goes: each backend is one small file, found by the scheme of its URL."""
