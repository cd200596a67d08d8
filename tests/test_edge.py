"""`hfs proxy` finds its place in the environment that an agent makes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hfs_appliance.edge import Surroundings, main, surroundings
from hfs_appliance.model.balancer import Place
from hfs_appliance.model.ids import EnvironmentName
from hfs_appliance.model.instants import seconds

if TYPE_CHECKING:
    import pytest

VARIABLES = {
    "HFS_ENVIRONMENT": "local",
    "HFS_REGISTRY": "zk1:2181,zk2:2181",
    "HFS_SESSION_TIMEOUT_MS": "6000",
    "SERVER": "small-0007",
    "HOST": "10.0.0.7",
    "PORT": "8080",
}


def test_it_reads_what_the_agent_says() -> None:
    assert surroundings(VARIABLES) == Surroundings(
        environment=EnvironmentName("local"),
        server="small-0007",
        hosts=("zk1:2181", "zk2:2181"),
        session_timeout=seconds(6),
        place=Place("10.0.0.7", 8080),
    )


def test_without_an_agent_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("HFS_ENVIRONMENT")
    assert main(["--help"]) == 64
    assert main([]) == 78
    assert "'HFS_ENVIRONMENT' is missing" in capsys.readouterr().err
