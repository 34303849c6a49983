"""What a scripted server offers and asks for: `Offer`, and the lines of its EHLO reply."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Offer:
    """What the server offers and asks for."""

    hostname: str
    capabilities: tuple[str, ...]
    credentials: Mapping[str, str] = field(default_factory=dict)
    mechanisms: tuple[str, ...] = ()
    starttls: bool = False
    require_tls: bool = False
    require_auth: bool = False
    lmtp: bool = False

    def has(self, name: str) -> bool:
        """Return whether the extension is offered."""
        return any(capability.upper().split()[0] == name for capability in self.capabilities)

    @property
    def size(self) -> int:
        """The largest content taken, in bytes; 0 when SIZE says none."""
        sizes = [line.split()[1] for line in self.capabilities if re.fullmatch(r"(?i)SIZE \d+", line)]
        return int(sizes[0]) if sizes else 0

    def lines(self, *, tls: bool) -> list[str]:
        """Return the lines of the EHLO reply."""
        lines = [f"{self.hostname} at your service", *self.capabilities]
        if not tls:
            # RFC 8689 2: offered under TLS only
            lines = [line for line in lines if line.upper() != "REQUIRETLS"]
            lines += ["STARTTLS"] * self.starttls
        if self.mechanisms:
            lines.append(f"AUTH {' '.join(self.mechanisms)}")
        return lines
