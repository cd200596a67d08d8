"""QEMU's machine protocol (QMP): JSON lines over a socket; an answer to each command, events in between."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any, Final

CAPABILITIES: Final = {"execute": "qmp_capabilities"}
"""Opens every conversation."""
IGNORE_SHARED: Final = {
    "execute": "migrate-set-capabilities",
    "arguments": {"capabilities": [{"capability": "x-ignore-shared", "state": True}]},
}
"""Leaves memory that lies in a file out of the state: the file is the state of that."""


class MonitorError(Exception):
    """QEMU refused a command, or is gone."""


class Monitor:
    """A conversation with one QEMU."""

    def __init__(self, path: Path, patience_seconds: float) -> None:
        """Connect. Errors: MonitorError."""
        self._socket: Final = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(patience_seconds)
        try:
            self._socket.connect(str(path))
        except OSError as error:
            raise MonitorError(f"cannot reach QEMU: {error}") from None
        self._lines: Final = self._socket.makefile("rb")
        self._read()  # its greeting
        self.ask(CAPABILITIES)

    def ask(self, command: dict[str, Any]) -> Any:
        """Give a command and wait for its answer. Errors: MonitorError."""
        try:
            self._socket.sendall(json.dumps(command).encode() + b"\n")
        except OSError as error:
            raise MonitorError(f"{command['execute']}: {error}") from None
        while True:
            answer = self._read()
            if "error" in answer:
                raise MonitorError(f"{command['execute']}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    def close(self) -> None:
        """End the conversation."""
        self._lines.close()
        self._socket.close()

    def _read(self) -> dict[str, Any]:
        try:
            line = self._lines.readline()
        except OSError as error:
            raise MonitorError(f"no answer: {error}") from None
        if not line:
            raise MonitorError("QEMU has ended")
        content: dict[str, Any] = json.loads(line)
        return content
