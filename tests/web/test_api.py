"""The routes: what each one answers, what it asks of Control, and how errors look."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from hfs_appliance.model.events import CloudUnreachable
from hfs_appliance.model.instants import seconds
from hfs_appliance.model.leadership import Leader
from hfs_appliance.ports import errors
from tests.support.control import MISTAKE
from tests.support.served import Served

if TYPE_CHECKING:
    import httpx

API = "/api/v1"


def is_problem(response: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    content: dict[str, Any] = response.json()
    assert (content["status"], content["kind"]) == (status, kind)
    return content


async def test_reads(served: Served) -> None:
    status = (await served.client.get(f"{API}/status")).json()
    assert status["converged"] is True
    assert status["services"]["dns"]["1.0.0"]["desired"] == status["services"]["dns"]["1.0.0"]["serving"] == 2
    [server] = (await served.client.get(f"{API}/servers")).json()
    assert server["server"] == "small-0001"
    explanation = (await served.client.get(f"{API}/explain", params={"target": "small-0001"})).json()
    assert (explanation["kind"], explanation["report"]) == ("server", server)
    assert explanation["log"] == "agent log\n"
    assert (await served.client.get(f"{API}/desired")).json() == {"generation": 1, "source": "schema = 1\n"}
    assert (await served.client.get("/healthz")).json() == {"alive": True}
    metrics = await served.client.get("/metrics")
    assert metrics.text == "hfs_converged 1.0\n"
    assert metrics.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    index = (await served.client.get("/")).json()
    assert "PUT /api/v1/desired" in index["routes"]


async def test_explaining_a_service_a_path_and_nothing(served: Served) -> None:
    service = (await served.client.get(f"{API}/explain", params={"target": "dns"})).json()
    assert (service["kind"], service["versions"]["1.0.0"]["serving"]) == ("service", 1)
    path = (await served.client.get(f"{API}/explain", params={"target": "/dns/records"})).json()
    assert (path["kind"], path["routing"]["divisions"][0]["weight"]) == ("path", 50)
    is_problem(await served.client.get(f"{API}/explain", params={"target": "dnss"}), 404, "unknown-name")
    is_problem(await served.client.get(f"{API}/explain"), 400, "bad-request")


async def test_holds_are_told_and_ordered(served: Served) -> None:
    (card,) = (await served.client.get(f"{API}/holds")).json()
    assert (card["scope"], card["rule"], card["amount"]) == ("service/dns", "storm", 12)
    wanted = {"reason": "look", "author": "eva", "lasts_s": 60}
    held = await served.client.post(f"{API}/holds/dns/hold", json=wanted)
    assert held.json() == {"scope": "service/dns"}
    released = await served.client.post(f"{API}/holds/service%2Fdns/release", json={})
    assert released.status_code == 200
    approved = await served.client.post(f"{API}/holds/service/dns/approve", json={"author": "eva"})
    assert [card["rule"] for card in approved.json()] == ["storm"]
    assert served.control.asked == [
        ("hold", "dns", "look", "eva", seconds(60)),
        ("release", "service/dns"),
        ("approve", "service/dns", "eva"),
    ]
    wrong = await served.client.post(f"{API}/holds/dns/hold", json={**wanted, "lasts_s": 0})
    is_problem(wrong, 400, "bad-request")


async def test_what_removes_much_is_refused_with_the_hash_that_confirms_it(served: Served) -> None:
    served.control.to_confirm = "0123456789ab"
    scale = {"instances": 0, "author": "eva"}
    refused = await served.client.post(f"{API}/services/dns/scale", json=scale)
    is_problem(refused, 428, "unconfirmed")
    assert refused.json()["hash"] == "0123456789ab"
    confirmed = await served.client.post(f"{API}/services/dns/scale", json=scale | {"confirm": "0123456789ab"})
    assert confirmed.status_code == 200


async def test_mutations_reach_control(served: Served) -> None:
    plan = (await served.client.post(f"{API}/plan", json={"source": "a", "file": "f.toml"})).json()
    assert plan["changes"] == [{"path": 'service.dns.version."1.0.0".instances', "before": "2", "after": "3"}]
    wanted = {"source": "a", "file": "f.toml", "author": "eva", "base_generation": 1}
    assert (await served.client.put(f"{API}/desired", json=wanted)).json()["generation"] == 2
    scaled = await served.client.post(f"{API}/services/dns/scale", json={"instances": 4, "author": "eva"})
    assert scaled.json()["generation"] == 3
    assert (await served.client.post(f"{API}/servers/small-0001/kill", json={})).status_code == 202
    assert (await served.client.post(f"{API}/adopt", json={"author": "eva"})).json()["servers"] == 4
    assert (await served.client.post(f"{API}/down", json={})).status_code == 202
    assert served.control.asked == [
        ("plan", "a", "f.toml"),
        ("apply", "a", "f.toml", "eva", 1),
        ("scale", "dns", None, 4, "eva"),
        ("kill", "small-0001"),
        ("adopt", "eva"),
        ("down",),
    ]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.Conflict("c"), 409),
        (errors.Fenced("f"), 409),
        (errors.Rejected("r"), 422),
        (errors.Missing("m"), 404),
        (errors.Unsupported("u"), 501),
        (errors.Exhausted("e"), 429),
        (errors.Transient("t"), 503),
        (errors.Ambiguous("a"), 503),
    ],
)
async def test_port_errors_become_problems(served: Served, error: errors.PortError, status: int) -> None:
    served.control.failure = error
    content = is_problem(await served.client.get(f"{API}/status"), status, type(error).__name__.lower())
    assert content["detail"] == error.words


async def test_who_stands_by_names_the_leader(served: Served) -> None:
    leader = Leader(name="b:8081", address="http://b:8081", epoch=7)
    served.control.failure = errors.Standby("b:8081 leads", leader)
    told = is_problem(await served.client.post(f"{API}/handover", json={}), 409, "standby")
    assert told["leader"] == {"name": "b:8081", "address": "http://b:8081", "epoch": 7}
    served.control.failure = errors.Standby("nobody leads", None)
    response = await served.client.post(f"{API}/handover", json={})
    assert is_problem(response, 503, "standby")["leader"] is None
    assert response.headers["retry-after"] == "1"
    handed = await served.client.post(f"{API}/handover", json={})
    assert handed.json() == {"leader": {"name": "b:8082", "address": "http://b:8082", "epoch": 8}}


async def test_unknown_names_come_with_the_nearest_one(served: Served) -> None:
    content = is_problem(await served.client.get(f"{API}/explain?target=small-0009"), 404, "unknown-name")
    assert content["suggestion"] == "small-0001"
    scaled = await served.client.post(f"{API}/services/dsn/scale", json={"instances": 4, "author": "eva"})
    assert "did you mean 'dns'" in is_problem(scaled, 404, "unknown-name")["detail"]


async def test_mistakes_come_with_their_places(served: Served) -> None:
    response = await served.client.post(f"{API}/plan", json={"source": "#!mistake", "file": "env.toml"})
    [mistake] = is_problem(response, 422, "config")["mistakes"]
    assert (mistake["file"], mistake["line"], mistake["key"]) == ("env.toml", MISTAKE.line, MISTAKE.key)


async def test_a_bug_is_told_and_ends_nothing(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    served.control.failure = ZeroDivisionError("by zero")
    content = is_problem(await served.client.get(f"{API}/status"), 500, "bug")
    assert "ZeroDivisionError: by zero" in content["detail"]
    with trio.fail_after(30):
        while "ZeroDivisionError" not in caplog.text:  # the log follows the answer
            await trio.testing.wait_all_tasks_blocked()
    assert (await served.client.get(f"{API}/status")).status_code == 200


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "Invalid JSON"),
        (b"{", "Invalid JSON"),
        (b"[]", "object"),
        (b'{"instances": "4", "author": "eva"}', "instances: Input should be a valid integer"),
        (b'{"instances": true, "author": "eva"}', "instances: Input should be a valid integer"),
        (b'{"instances": -1, "author": "eva"}', "instances: Input should be greater than or equal to 0"),
        (b'{"instances": 4}', "author"),
        (b'{"instances": 4, "author": "eva", "versoin": "1"}', "versoin: "),
    ],
)
async def test_bodies_are_checked(served: Served, body: bytes, words: str) -> None:
    response = await served.client.post(
        f"{API}/services/dns/scale", content=body, headers={"content-type": "application/json"}
    )
    assert words in is_problem(response, 400, "bad-request")["detail"]
    assert served.control.asked == []


async def test_bodies_are_bounded(served: Served) -> None:
    response = await served.client.post(f"{API}/plan", json={"source": "x" * 2_000_000, "file": "f"})
    is_problem(response, 413, "bad-request")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/api/v1/nothing", 404), ("DELETE", "/api/v1/desired", 405), ("GET", "/api/v1/down", 405)],
)
async def test_routes_that_are_not_there(served: Served, method: str, path: str, status: int) -> None:
    is_problem(await served.client.request(method, path, json={}), status, "http")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example:8081"}, 421),
        ({"host": "127.0.0.1.evil.example"}, 421),
        ({"host": "[bad"}, 421),
        ({"host": ""}, 421),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:1"}, 403),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
    ],
)
async def test_web_pages_cannot_reach_it(served: Served, headers: Mapping[str, str], status: int) -> None:
    is_problem(await served.client.post(f"{API}/down", json={}, headers=headers), status, "refused")
    assert served.control.asked == []


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.0.0.1:{port}", "[::1]:{port}", "hfs.localhost:1"])
async def test_names_of_this_machine_are_welcome(served: Served, host: str) -> None:
    response = await served.client.get(f"{API}/status", headers={"host": host.format(port=served.port)})
    assert response.status_code == 200


async def test_its_own_pages_may_use_it(served: Served) -> None:
    origin = {"origin": f"http://127.0.0.1:{served.port}"}
    assert (await served.client.post(f"{API}/down", json={}, headers=origin)).status_code == 202


async def test_kept_events_are_one_json_object_a_line(served: Served) -> None:
    for number in range(3):
        served.control.tell(CloudUnreachable(words=f"try {number}"))
    response = await served.client.get(f"{API}/events?after=1")
    assert response.headers["content-type"] == "application/x-ndjson"
    events = [json.loads(line) for line in response.text.splitlines()]
    assert [(event["seq"], event["fields"]["words"]) for event in events] == [(2, "try 1"), (3, "try 2")]
    assert events[0]["line"] == "the cloud does not answer: try 1"


@pytest.mark.parametrize("query", ["after=x", "after=-1", "follow=yes", "after=" + "9" * 40])
async def test_odd_queries_are_refused(served: Served, query: str) -> None:
    is_problem(await served.client.get(f"{API}/events?{query}"), 400, "bad-request")
