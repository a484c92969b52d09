"""A digital twin of a ready-mixed concrete batching plant and a testbed for its control software."""

from __future__ import annotations

from typing import Any

from twin.version import VERSION

__version__ = VERSION

_HOMES = {
    "load_design": "twin.design.load",
    "load_scenario": "scenarios.schema",
    "Simulation": "scenarios.simulation",
    "open_run": "scenarios.run",
    "BatchtwinError": "twin.errors",
}

__all__ = ["BatchtwinError", "Simulation", "__version__", "load_design", "load_scenario", "open_run"]


def __getattr__(name: str) -> Any:
    """Import on first use, so that `import batchtwin` costs nothing."""
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'batchtwin' has no attribute '{name}'")
