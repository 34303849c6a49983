"""What a type checker knows of the errors."""

from __future__ import annotations

from typing import assert_type

from modernmail.errors import DeliveryError


def may_try_again(error: DeliveryError) -> bool:
    """A delivery error says whether trying later may help."""
    assert_type(error.is_transient, bool)
    return error.is_transient
