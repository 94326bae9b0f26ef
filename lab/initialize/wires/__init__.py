"""All wires, in the order in which they are explained and checked."""

from __future__ import annotations

from lab.initialize.model import Wiring
from lab.initialize.wires import delivery, guard, injection, metrics, platform, routing, scaling, traces, trust

WIRES: tuple[Wiring, ...] = (
    *trust.WIRES[:2],
    injection.WIRE,
    routing.WIRE,
    *trust.WIRES[2:],
    guard.BY_PROXY,
    guard.BY_TOKEN,
    *metrics.WIRES,
    *traces.WIRES,
    scaling.WIRE,
    *delivery.WIRES,
    *platform.WIRES,
)
