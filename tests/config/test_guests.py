"""What `[cloud.local] machine = "qemu"` asks of the rest of a configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from hfs_appliance.config.loading import load_file
from hfs_appliance.config.mistakes import ConfigError
from hfs_appliance.model.desired import MachineKind

EXAMPLE = Path(__file__).parents[2] / "configs" / "qemu.toml"


def test_the_example_asks_for_guests_of_the_image_beside_it() -> None:
    local = load_file(EXAMPLE)[0].cloud.local
    assert local.machine is MachineKind.QEMU
    assert Path(local.guest.image).resolve() == EXAMPLE.parents[1] / "build" / "guest"
    assert local.guest.ports == (9000,)


@pytest.mark.parametrize(
    ("change", "to", "words"),
    [
        ("ports = [9000]", "ports = [9001]", "service.dns.port: port 9000 does not reach into a guest"),
        ('image = "../build/guest"', "", "cloud.local.guest.image: is missing"),
        ("[service.dns.run]", '[service.dns.run]\ndirectory = "."', "which a guest does not see"),
    ],
)
def test_what_guests_cannot_do_is_a_mistake(change: str, to: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "hfs.toml"
    file.write_text(EXAMPLE.read_text().replace(change, to))
    with pytest.raises(ConfigError) as caught:
        load_file(file)
    assert words in str(caught.value)
