"""Which layers may follow which: asked by the mailer when it is built.

Rules of the file: what would send a mail that nobody can verify is refused; what would only surprise is warned of.
"""

from __future__ import annotations

from ..errors import ConfigurationError
from .layer import Layer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def in_order(layers: Iterable[Layer]) -> tuple[Layer, ...]:
    """Return the layers, first to last.

    Raises `ConfigurationError` for one that is no `Layer`, or that changes the content behind a signature. Warns when
    all signatures are by Ed25519, which large receivers do not verify.
    """
    given: tuple[object, ...] = tuple(layers)
    found: list[Layer] = []
    signer: Layer | None = None
    algorithms: list[str] = []
    for layer in given:
        if not isinstance(layer, Layer):
            hint = ": make one" if isinstance(layer, type) and issubclass(layer, Layer) else ""
            raise ConfigurationError(f"layers: {layer!r} is no Layer{hint}")
        found.append(layer)
        if signer is not None and layer.changes_content:
            raise ConfigurationError(
                f"layers: {_name(layer)} changes the content and stands behind {_name(signer)}, whose signature it would "
                f"break: put {_name(layer)} first"
            )
        if layer.signs:
            signer = layer
            algorithms += layer.algorithms
    if algorithms and all("ed25519" in algorithm for algorithm in algorithms):
        import warnings

        warnings.warn(
            "mail is signed by Ed25519 alone, which large receivers do not verify: add a signature by RSA",
            UserWarning,
            stacklevel=3,
        )
    return tuple(found)


def _name(layer: Layer) -> str:
    return type(layer).__name__
