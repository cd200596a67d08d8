"""Guests of QEMU as servers of the local provider: what they are started with, and from what. QEMU is a fake."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from hfs_appliance.adapters.clock import SystemClock
from hfs_appliance.adapters.local.cloud import LocalCloud
from hfs_appliance.adapters.marks import SERVER_MARK, find_marked
from hfs_appliance.adapters.qemu.command import IDENTITY_BYTES
from hfs_appliance.adapters.qemu.saved import Ingredients, Saved, StateError, make
from hfs_appliance.model.ids import EnvironmentName, ServerId
from hfs_appliance.model.observed import CloudStatus
from hfs_appliance.ports.errors import Missing, Rejected
from hfs_appliance.registry.formats import read_identity
from tests.support import guests
from tests.support.appliance import ROOT
from tests.support.clouds import OWN_NONCE, kill_all, spec, wait_gone, wait_status

ENVIRONMENT = EnvironmentName("guests-test")
ONE = ServerId("small-0001")


@pytest.fixture
def executable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give what stands for hfs, where QEMU is a fake."""
    for name, value in guests.fake_qemu(tmp_path / "bin").items():
        monkeypatch.setenv(name, value)
    guests.image(tmp_path / "image")
    file = tmp_path / "hfs"
    file.write_text("hfs")
    return file


@pytest.fixture
def saved(executable: Path, tmp_path: Path) -> Saved:
    """Give where the state will lie."""
    return Saved(tmp_path / "saved", Ingredients(image=tmp_path / "image", executable=executable, memory_mib=256))


@pytest.fixture
async def cloud(executable: Path, tmp_path: Path) -> AsyncIterator[LocalCloud]:
    """Give a cloud of guests that do not outlive the test."""
    made = provider(tmp_path, str(executable))
    yield made
    await kill_all(made)


def provider(place: Path, *command: str) -> LocalCloud:
    settings = guests.settings(place / "image", place / "saved")
    return LocalCloud(ENVIRONMENT, place, settings, SystemClock(), command)


def command_line(server: Path) -> list[str]:
    pid = json.loads((server / "init.pid").read_text())["pid"]
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")


def test_a_state_is_made_once_and_whole(saved: Saved) -> None:
    make(saved)
    assert (saved.place / "state").read_text() == "state\n"
    assert (saved.place / "accelerator").read_text() == "tcg max\n"
    assert (saved.place / "hfs").read_text() == "hfs"
    before = saved.place.stat().st_ino
    make(saved)
    assert saved.place.stat().st_ino == before
    assert not (saved.root / "draft").exists()


def test_a_new_executable_gets_a_state_of_its_own_and_the_old_one_goes(saved: Saved, executable: Path) -> None:
    make(saved)
    before = saved.place
    executable.write_text("a newer hfs")
    assert saved.place != before
    make(saved)
    assert saved.place.is_dir()
    assert not before.exists()


def test_kvm_is_tried_by_booting_and_not_again_after_it_has_failed(
    saved: Saved, executable: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("hfs_appliance.adapters.qemu.saved._has_kvm", lambda: True)
    make(saved)
    assert (saved.place / "accelerator").read_text() == "tcg max\n"
    assert "this accelerator hangs" in capsys.readouterr().err
    executable.write_text("a newer hfs")
    make(saved)
    assert "hangs" not in capsys.readouterr().err


def test_kvm_is_used_where_a_guest_boots_with_it(saved: Saved, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hfs_appliance.adapters.qemu.saved._has_kvm", lambda: True)
    monkeypatch.setenv("ACCELERATORS", "kvm tcg")
    make(saved)
    assert (saved.place / "accelerator").read_text() == "kvm host\n"


def test_what_ends_before_it_is_ready_leaves_no_state(saved: Saved, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATORS", "none")
    with pytest.raises(StateError, match="this accelerator hangs"):
        make(saved)
    assert not saved.place.exists()


def test_a_guest_that_is_not_saved_ends_with_whoever_makes_the_state(
    saved: Saved, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    monkeypatch.setenv("HANGS", str(pipe))
    with subprocess.Popen(saved.command, cwd=ROOT) as maker, pipe.open() as told:
        assert told.readline() == "hangs\n"
        maker.kill()
        assert told.read() == ""


async def test_a_guest_builds_until_it_has_resumed_and_leaves_nothing(
    cloud: LocalCloud, saved: Saved, tmp_path: Path
) -> None:
    made = await cloud.create(spec(ENVIRONMENT, ONE))
    assert made.status is CloudStatus.BUILDING, "the first server makes the state"
    with trio.fail_after(60):
        await wait_status(cloud, ONE, CloudStatus.ACTIVE)
        assert saved.place.is_dir()
        place = tmp_path / "servers" / ONE
        words = command_line(place)
        assert "user,id=net,hostfwd=tcp:127.77.0.1:9000-127.77.0.1:9000" in ",".join(
            words[words.index("-netdev") + 1 :]
        )
        firmware = (place / "firmware").read_bytes()
        assert len(firmware) == IDENTITY_BYTES
        assert read_identity(firmware.strip()).registry_hosts == ("10.0.2.2:1",)
        await cloud.delete(ONE)
        await wait_gone(cloud, ONE)
    assert find_marked(SERVER_MARK, f"{ENVIRONMENT}/{ONE}/{OWN_NONCE}") == ()
    assert not place.exists()


async def test_a_guest_whose_qemu_is_killed_is_off(cloud: LocalCloud) -> None:
    await cloud.create(spec(ENVIRONMENT, ONE))
    await cloud.kill(ONE)
    with trio.fail_after(60):
        await wait_status(cloud, ONE, CloudStatus.STOPPED)


@pytest.mark.parametrize(("missing", "words"), [("image/kernel", "no kernel"), ("bin/qemu-img", "qemu-img")])
async def test_what_is_missing_is_told_and_makes_no_server(
    cloud: LocalCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str, words: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / missing).unlink()
    with pytest.raises(Rejected, match=words):
        await cloud.create(spec(ENVIRONMENT, ONE))
    with pytest.raises(Missing):
        await cloud.server(ONE)


async def test_hfs_from_its_source_tree_makes_no_guests(executable: Path, tmp_path: Path) -> None:
    with pytest.raises(Rejected, match=r"build\.sh zipapp"):
        await provider(tmp_path, "python3", "-m", str(executable)).create(spec(ENVIRONMENT, ONE))
