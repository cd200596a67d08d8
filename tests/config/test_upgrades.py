"""What a file says of upgrades: one message for each thing that does not go together."""

from __future__ import annotations

import pytest

from hfs_appliance.config import ConfigError, load_text
from hfs_appliance.model.ids import ServiceName, Version
from hfs_appliance.model.rollout import Strategy, Wish
from hfs_appliance.model.traffic import Carrier, Match, SplitBy

DNS = ServiceName("dns")
OTHER = '\n[service.dns.version."2.0"]\ninstances = 1\n'


def rollout(source: str, lines: str) -> str:
    return source + f"\n[service.dns.rollout]\n{lines}\n"


def weighed(source: str, first: str, second: str) -> str:
    return source + first + OTHER + second


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('strategy = "big-bang"', "service.dns.rollout.strategy"),
        ('steps = [{ weight = "50%", bake = "1m" }, { weight = "50%", bake = "1m" }]', "50% does not rise above 50%"),
        ('steps = [{ weight = "0.15%", bake = "1m" }]', "has more than one decimal"),
        ('steps = [{ weight = "100%", bake = "1m" }]', "is out of bounds"),
        ('gate.p95_factor = "1.2"', "is not a factor"),
        ('gate.p95_factor = "0.5x"', "is out of bounds; from 1x to 100x"),
        ('split = { by = "cookie" }', "needs the name of its cookie"),
        ('split = { cookie = "session" }', 'means nothing with by = "request"'),
        ('split = { by = "cookie", cookie = "a;b" }', "is not the name of a cookie"),
    ],
)
def test_settings_that_do_not_go_together(source: str, lines: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(rollout(source, lines), "f")
    assert len(caught.value.mistakes) == 1
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ("weight = 5", "", 'version "2.0" has no weight to be compared with'),
        ("weight = 0", "weight = 0", "no version would get any request"),
        ("", 'match = [{ value = "yes" }]', "names no header and no cookie"),
        ("", 'match = [{ header = "a b", value = "yes" }]', "is not the name of a header"),
        ("", 'match = [{ header = "A", value = "y;" }]', "cannot be matched"),
        ('match = [{ header = "A", value = "y" }]', 'match = [{ header = "a", value = "Y" }]', "is matched twice"),
    ],
)
def test_weights_and_matches_that_do_not_go_together(source: str, first: str, second: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(weighed(source, first, second), "f")
    assert len(caught.value.mistakes) == 1
    assert said in str(caught.value)


def test_several_versions_with_weights_and_matches(source: str) -> None:
    text = weighed(source, "weight = 80", 'weight = 20\nmatch = [{ cookie = "beta", value = "1" }]')
    service = load_text(rollout(text, 'strategy = "ab"\nsplit.by = "address"'), "f").services[DNS]
    beta = Match(carrier=Carrier.COOKIE, name="beta", value="1")
    assert service.wishes == {Version("1.0"): Wish(weight=80), Version("2.0"): Wish(weight=20, matches=(beta,))}
    assert (service.rollout.strategy, service.rollout.key.by) == (Strategy.AB, SplitBy.ADDRESS)


def test_a_version_with_weight_0_needs_no_other_weights(source: str) -> None:
    service = load_text(weighed(source, "", "weight = 0"), "f").services[DNS]
    assert service.wishes == {Version("2.0"): Wish(weight=0)}
