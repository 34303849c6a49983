"""What happens before and after a delivery: each layer is one small file."""

from .layer import Again, Layer, Stop, Wait

__all__ = ["Again", "Layer", "Stop", "Wait"]
