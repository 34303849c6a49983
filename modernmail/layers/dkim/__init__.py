"""DKIM signatures (RFC 6376, 8463): `DKIM`, the layer, and what it is made of, each in a file of its own.

`canonical` is pure: octets in the form that is signed; `keys` loads and makes keys (extra `dkim`); `fields` says which header
fields are signed; `signature` lays out the field; `layer` puts it in front of a parcel.
"""

from __future__ import annotations

from .fields import AMAZON_SES, OVERSIGNED, SIGNED
from .layer import DKIM

__all__ = ["AMAZON_SES", "DKIM", "OVERSIGNED", "SIGNED"]
