"""How a server finds its own address."""

from __future__ import annotations

import pytest

from hfs_appliance.agent.address import own_address


def test_it_is_the_one_from_which_the_registry_is_reached() -> None:
    assert own_address(["127.0.0.1:2181"]) == "127.0.0.1"
    assert own_address(["127.7.8.9:2181"]).startswith("127.")


def test_a_host_without_a_way_is_passed_over() -> None:
    assert own_address(["no-such-host.invalid:2181", "127.0.0.1:2181"]) == "127.0.0.1"


@pytest.mark.parametrize("hosts", [[], ["no-such-host.invalid:2181"]])
def test_no_way_at_all_is_an_error(hosts: list[str]) -> None:
    with pytest.raises(OSError, match=r"\S"):
        own_address(hosts)
