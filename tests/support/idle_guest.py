#!/usr/bin/python3
"""In place of hfs in a guest, for tests of the provider alone: ready at once, and then idle."""

from __future__ import annotations

import sys
import time

sys.stderr.write("hfs guest: waits for its identity\n")
time.sleep(600)
