"""The agent of a cloned guest, as far as it can be without being one."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from hfs_appliance.adapters.qemu.saved import READY
from hfs_appliance.agent.guest import wait_identity

if TYPE_CHECKING:
    import pytest


def test_an_identity_is_waited_for_and_read_without_its_blanks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    firmware = tmp_path / "raw"
    firmware.write_bytes(b" " * 100)
    found: list[bytes] = []
    waiting = threading.Thread(target=lambda: found.append(wait_identity(firmware)))
    waiting.start()
    try:
        assert found == []
    finally:
        with firmware.open("r+b") as file:
            os.pwrite(file.fileno(), b"{}", 0)
        waiting.join()
    assert found == [b"{}"]
    assert capsys.readouterr().err == f"{READY}\n"
