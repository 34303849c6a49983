"""Mailers from the configuration of other libraries: `Mailer.from_django_settings` and its kin.

A file for each: what its settings mean there. `server` says it in a URL of ours, and refuses what would be unsafe.
"""
