"""What a service is started with: its own environment, not ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hfs_appliance.agent.tool import outer_environment

if TYPE_CHECKING:
    import pytest


def test_what_steers_our_own_interpreter_is_not_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = {"PYTHONPATH": "/a", "PYTHONHOME": "/b", "SHIV_ROOT": "/c", "VIRTUAL_ENV": "/d"}
    everybodys = {"PATH": "/bin", "PIP_INDEX_URL": "http://127.0.0.1/", "LANG": "C.UTF-8"}
    for name, value in {**ours, **everybodys}.items():
        monkeypatch.setenv(name, value)
    handed_on = outer_environment()
    assert ours.keys() & handed_on.keys() == set()
    assert everybodys.items() <= handed_on.items()
