"""Adapters to guests: each is imported only when it is asked for, and imports its guest then."""
