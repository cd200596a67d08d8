"""The SpecSource over httpx."""

from hfs_appliance.adapters.http.specs import HttpSpecSource

__all__ = ["HttpSpecSource"]
