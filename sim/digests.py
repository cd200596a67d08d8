"""Recorded runs: scenarios with the digests of their journals, which are the same on every machine and Python.

    python -m sim.digests FILE            play them again; exit code 1 when a digest differs
    python -m sim.digests FILE --short    leave out the runs of more than a thousand servers
    python -m sim.digests FILE --write    record what they give now

A digest changes whenever the behaviour does: that is no fault, it is a change that should have been meant.
"""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from sim.play import play
from sim.scenarios import load, scaled

LARGE: Final = 1000
"""Runs of more servers take longer than all others together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One run."""

    scenario: str
    seed: int
    servers: int | None = None
    hours: float | None = None
    digest: str = ""

    def played(self) -> Recording:
        """Play it, and give it with the digest of this interpreter."""
        scenario = scaled(load(self.scenario), servers=self.servers, hours=self.hours)
        return replace(self, digest=play(scenario, self.seed).digest)


def read(file: Path) -> list[Recording]:
    """Read the recordings of a file."""
    return [Recording(**entry) for entry in json.loads(file.read_text())]


def write(file: Path, recordings: Sequence[Recording]) -> None:
    """Write recordings, one on each line."""
    lines = ",\n".join(f"  {json.dumps(asdict(recording))}" for recording in recordings)
    file.write_text(f"[\n{lines}\n]\n")


def differences(recordings: Sequence[Recording]) -> Iterator[str]:
    """Play recordings again; say which gave another journal."""
    for recording in recordings:
        played = recording.played()
        if played != recording:
            yield f"{recording.scenario} with seed {recording.seed}: {played.digest}, recorded {recording.digest}"


def main(arguments: Sequence[str]) -> int:
    """Check or write a file of recordings."""
    file, *options = arguments
    recordings = read(Path(file))
    if options == ["--short"]:
        recordings = [recording for recording in recordings if (recording.servers or 0) <= LARGE]
    if options == ["--write"]:
        write(Path(file), [recording.played() for recording in recordings])
        return 0
    found = list(differences(recordings))
    for difference in found:
        sys.stdout.write(f"{difference}\n")
    verdict = f"{len(recordings) - len(found)} of {len(recordings)} journals are as recorded"
    sys.stdout.write(f"Python {platform.python_version()}: {verdict}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
