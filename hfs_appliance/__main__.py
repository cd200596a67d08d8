"""`python -m hfs_appliance`: the same as `hfs`."""

from __future__ import annotations

from hfs_appliance.cli.main import main

main()
