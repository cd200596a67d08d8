"""The SpecSource over httpx."""

from __future__ import annotations

from hfs_appliance.adapters.http.specs import HttpSpecSource

__all__ = ["HttpSpecSource"]
