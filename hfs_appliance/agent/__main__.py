"""`python -m hfs_appliance.agent IDENTITY`: the agent without the command line around it."""

from __future__ import annotations

import sys
from pathlib import Path

from hfs_appliance.agent.main import main

sys.exit(main(Path(sys.argv[-1])))
