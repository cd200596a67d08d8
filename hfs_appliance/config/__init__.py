"""Configuration: TOML in the operator's language -> the model, with every mistake at once.

What others use is re-exported here. Loaded on first use: reading a configuration needs pydantic, `hfs --help` does not.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from hfs_appliance.config.mistakes import ConfigError, Mistake

if TYPE_CHECKING:
    from hfs_appliance.config.changes import differences, restart_needed
    from hfs_appliance.config.loading import load_file, load_text, overridden

__all__ = ["ConfigError", "Mistake", "differences", "load_file", "load_text", "overridden", "restart_needed"]

_HOMES: Final = {
    "differences": "changes",
    "load_file": "loading",
    "load_text": "loading",
    "overridden": "loading",
    "restart_needed": "changes",
}


def __getattr__(name: str) -> Any:
    """Load a re-exported function on first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
