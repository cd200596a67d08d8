#!/usr/bin/env python3
"""Stands in for `puppet`: notes how it was called, and leaves what the real one left in a recorded run.

PLAY names the run and its exit status: `changed 2`; `forever` never ends.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path

RECORDED = Path(__file__).resolve().parent / "recorded"


def main() -> int:
    run, _, status = os.environ["PLAY"].partition(" ")
    options = dict(word.removeprefix("--").partition("=")[::2] for word in sys.argv if word.startswith("--"))
    facts = {name: value for name, value in os.environ.items() if name.startswith("FACTER_")}
    Path(options["vardir"]).with_name("called.json").write_text(json.dumps([sys.argv[1:], facts]))
    if run == "forever":
        time.sleep(600)
    state = Path(options["vardir"], "state")
    state.mkdir(parents=True, exist_ok=True)
    if (RECORDED / f"{run}.yaml").exists():
        shutil.copyfile(RECORDED / f"{run}.yaml", state / "last_run_report.yaml")
    shutil.copyfile(RECORDED / f"{run}.json", options["logdest"].partition(",")[2])
    return int(status)


sys.exit(main())
