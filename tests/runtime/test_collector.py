"""The collector's settings hold within their block, and only there."""

from __future__ import annotations

import gc

from hfs_appliance.runtime.collector import SELDOM, collecting_seldom


def test_the_settings_end_with_the_block() -> None:
    before = gc.get_threshold()
    with collecting_seldom():
        assert gc.get_threshold() == SELDOM
    assert gc.get_threshold() == before
