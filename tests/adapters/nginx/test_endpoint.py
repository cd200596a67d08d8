"""What a client of the endpoint sees, through a real nginx."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

from hfs_appliance.adapters.nginx.files import Files
from hfs_appliance.model.ids import Version
from hfs_appliance.model.instants import seconds
from hfs_appliance.ports.errors import Rejected
from hfs_appliance.proxy.table import HEALTH_PATH, Member

if TYPE_CHECKING:
    from tests.adapters.nginx.conftest import Site

pytestmark = pytest.mark.nginx

GOLDEN = Path(__file__).parents[2] / "golden" / "nginx"


async def test_a_prefix_leads_to_its_service_and_is_taken_off(site: Site) -> None:
    dns, domains = await site.upstream("127.0.0.2"), await site.upstream("127.0.0.3")
    await site.publish(dns=(dns.member,), domains=(domains.member,))
    answer = (await site.get("/dns/zones/1?deep=yes", traceparent="00-abc-def-01")).json()
    assert (answer["by"], answer["target"]) == ("127.0.0.2", "/zones/1?deep=yes")
    headers = answer["headers"]
    assert headers["x-forwarded-prefix"] == "/dns"
    assert headers["x-forwarded-proto"] == "http"
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert headers["host"] == headers["x-forwarded-host"] == f"127.0.0.1:{site.port}"
    assert headers["traceparent"] == "00-abc-def-01"
    assert (await site.get("/domains/")).json()["by"] == "127.0.0.3"


async def test_a_base_path_stands_in_for_the_prefix(site: Site) -> None:
    dns = await site.upstream("127.0.0.2")
    await site.proxy.publish(site.table({"dns": (dns.member,)}, base_path="/api/v2/"))
    assert (await site.get("/dns/zones")).json()["target"] == "/api/v2/zones"


async def test_a_prefix_without_its_slash_is_redirected_with_method_and_query(site: Site) -> None:
    await site.publish(dns=())
    answer = await site.client.post("/dns?a=b")
    assert (answer.status_code, answer.headers["location"]) == (308, "/dns/?a=b")


async def test_redirects_and_cookies_of_a_service_get_its_prefix(site: Site) -> None:
    dns = await site.upstream("127.0.0.2")
    await site.publish(dns=(dns.member,))
    answer = await site.get("/dns/moved")
    assert answer.headers["location"] == "/dns/elsewhere?a=b"
    assert answer.headers["set-cookie"] == "a=b; Path=/dns/"


@pytest.mark.parametrize(
    ("asked", "target"),
    [
        ("/dns/a%20b", "/a%20b"),
        ("/dns/caf%C3%A9", "/caf%C3%A9"),
        ("/dns/a%3Fb", "/a%3Fb"),
        ("/dns/a%25b", "/a%25b"),
        ("/dns/x/../y", "/y"),
        ("/dns//x", "/x"),
        ("/dns/a%2Fb", "/a/b"),
    ],
)
async def test_a_path_is_decoded_once_before_it_is_routed(site: Site, asked: str, target: str) -> None:
    """What nginx decided on is what the service gets; an encoded slash is a slash to both."""
    dns = await site.upstream("127.0.0.2")
    await site.publish(dns=(dns.member,))
    await raw_get(site, asked)
    assert dns.asked == [f"GET {target}"]


async def test_it_tells_whoever_asks_that_it_runs(site: Site) -> None:
    await site.publish(dns=())
    answer = await site.get(HEALTH_PATH)
    assert (answer.status_code, answer.text) == (200, "ok")


async def test_while_clients_are_sent_away_all_is_served_as_ever(site: Site) -> None:
    dns = await site.upstream("127.0.0.2")
    await site.publish(dns=(dns.member,), domains=())
    files = Files(site.directory)
    revision = files.current()
    assert revision is not None
    files.leave(revision)
    for path in ("/a%20b", "/caf%C3%A9", "/a%3Fb", "/a%25b", "/a?c=d&e=%20f", "/a;b=c", "/"):
        assert (await site.get(f"/dns{path}")).json()["target"] == path
    posted = await site.client.post("/dns/x?y=z", content=b"body" * 10_000)
    assert (posted.json()["target"], posted.json()["body"]) == ("/x?y=z", "body" * 10_000)
    statuses = {"/": 302, "/nowhere": 404, "/dns": 308, "/dns/status/404": 404, "/domains/": 503, "/docs/": 200}
    for path, status in statuses.items():
        answer = await site.get(path)
        assert (answer.status_code, answer.headers["connection"]) == (status, "close"), path
    files.stay(revision)
    assert (await site.get("/dns/")).headers["connection"] == "keep-alive"


@pytest.mark.parametrize("path", ["/dns/../domains/x", "/dns/%2e%2e/domains/x", "/dns/..%2fdomains/x"])
async def test_dots_never_reach_a_service(site: Site, path: str) -> None:
    dns, domains = await site.upstream("127.0.0.2"), await site.upstream("127.0.0.3")
    await site.publish(dns=(dns.member,), domains=(domains.member,))
    await raw_get(site, path)
    assert (dns.asked, domains.asked) == ([], ["GET /x"])


@pytest.mark.parametrize("path", ["/dns/%00", "/../x", "/dns/../../etc/passwd"])
async def test_paths_that_lead_outside_are_refused(site: Site, path: str) -> None:
    dns = await site.upstream("127.0.0.2")
    await site.publish(dns=(dns.member,))
    assert (await raw_get(site, path)).startswith(b"HTTP/1.1 400 ")
    assert dns.asked == []


async def raw_get(site: Site, target: str) -> bytes:
    """Ask for a path as it is; clients tidy up paths before they send them."""
    return await raw_request(site, f"GET {target} HTTP/1.1")


async def raw_request(site: Site, head: str) -> bytes:
    async with await trio.open_tcp_stream("127.0.0.1", site.port) as stream:
        await stream.send_all(f"{head}\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = await stream.receive_some()
        await stream.send_eof()  # nginx waits for five seconds for more of a body that it has refused
        return b"".join([answer, *[part async for part in stream]])


async def test_one_service_cannot_shadow_another(site: Site) -> None:
    short, long = await site.upstream("127.0.0.2"), await site.upstream("127.0.0.3")
    await site.proxy.publish(site.table({"dns": (short.member,), "dns-admin": (long.member,)}))
    for path in ("/dns/-admin/x", "/dns/admin", "/dns-admin/x", "/dns-admi/x", "/DNS/x"):
        await site.get(path)
    assert short.asked == ["GET /-admin/x", "GET /admin"]
    assert long.asked == ["GET /x"]


async def test_a_service_cannot_have_another_one_answer_for_it(site: Site) -> None:
    dns, domains = await site.upstream("127.0.0.2"), await site.upstream("127.0.0.3")
    await site.publish(dns=(dns.member,), domains=(domains.member,))
    assert (await site.get("/dns/accel")).json()["by"] == "127.0.0.2"
    assert domains.asked == []


@pytest.mark.parametrize(
    ("path", "status", "retry_after"), [("/nowhere", 404, None), ("/dns/", 503, "2"), ("/swagger.json", 503, "2")]
)
async def test_the_endpoint_speaks_json_for_itself(site: Site, path: str, status: int, retry_after: str | None) -> None:
    await site.publish(dns=())
    answer = await site.get(path, x_request_id="mine.1")
    assert answer.status_code == answer.json()["status"] == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers.get("retry-after") == retry_after
    assert answer.headers["x-request-id"] == answer.json()["request_id"] == "mine.1"
    assert answer.json()["title"]


async def test_too_large_a_body_is_refused_in_json(site: Site) -> None:
    await site.publish(dns=())
    answer = await raw_request(site, f"POST /dns/ HTTP/1.1\r\nContent-Length: {17 * 2**20}")
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"status":413,' in answer


@pytest.mark.parametrize("odd", ["", 'a"b', "a b", "x" * 65, "ü", None])
async def test_a_request_without_a_proper_id_gets_one(site: Site, odd: str | None) -> None:
    dns = await site.upstream("127.0.0.2")
    await site.publish(dns=(dns.member,))
    answer = await site.client.get("/dns/", headers=[] if odd is None else [(b"X-Request-ID", odd.encode())])
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])
    assert answer.headers["x-request-id"] == answer.json()["headers"]["x-request-id"]


async def test_a_service_answers_for_itself_and_is_not_blamed_for_it(site: Site) -> None:
    """One operation that says 503 or 502 must not take the instances out for all others."""
    first, second = await site.upstream("127.0.0.2"), await site.upstream("127.0.0.3")
    await site.publish(dns=(first.member, second.member))
    for code in (503, 502, 500, 404) * 5:
        answer = await site.get(f"/dns/status/{code}")
        assert answer.status_code == code
        assert answer.json()["target"] == f"/status/{code}"
    assert (await site.get("/dns/")).status_code == 200
    assert len(first.asked) + len(second.asked) == 21


async def test_a_dead_instance_is_passed_over(site: Site) -> None:
    alive, dead = await site.upstream("127.0.0.2"), await site.upstream("127.0.0.3")
    await site.publish(dns=(alive.member, dead.member))
    dead.die()
    for _ in range(20):
        assert (await site.get("/dns/")).status_code == 200
        # It never got the request: what is not idempotent is safe to pass on, too.
        assert (await site.client.post("/dns/", content=b"once")).status_code == 200
    assert alive.asked.count("POST /") == 20


async def test_a_frozen_instance_costs_its_timeout_and_no_request(site: Site) -> None:
    alive = await site.upstream("127.0.0.2")
    with frozen("127.0.0.3") as listener:
        site.response_timeout = seconds(0.3)
        await site.publish(dns=(alive.member, member_at(listener)))
        with trio.fail_after(30):
            assert [(await site.get("/dns/")).status_code for _ in range(20)] == [200] * 20
    assert len(alive.asked) == 20


async def test_where_all_instances_fail_the_proxy_says_so(site: Site) -> None:
    with frozen("127.0.0.2") as silent, frozen("127.0.0.3") as closed:
        nobody = member_at(closed)
        closed.close()
        site.response_timeout = seconds(0.3)
        await site.publish(dns=(member_at(silent),), domains=(nobody,))
        for path, status in (("/dns/", 504), ("/domains/", 502)):
            answer = await site.get(path)
            assert answer.status_code == answer.json()["status"] == status
            assert answer.headers["content-type"] == "application/problem+json"


def frozen(address: str) -> socket.socket:
    """Give what a stopped process looks like: the kernel takes connections, nobody ever answers."""
    listener = socket.socket()
    listener.bind((address, 0))
    listener.listen()
    return listener


def member_at(listener: socket.socket) -> Member:
    address, port = listener.getsockname()
    return Member(address=address, port=port, version=Version("1"), instance=f"at-{address}")


async def test_the_document_is_served_with_cors_and_an_etag_that_follows_its_content(site: Site) -> None:
    await site.publish()
    await site.proxy.publish_files({"swagger.json": b'{"a": 1}'})
    first = await site.get("/swagger.json")
    assert first.content == b'{"a": 1}'
    assert first.headers["content-type"] == "application/json"
    assert first.headers["access-control-allow-origin"] == "*"
    assert (await site.get("/swagger.json", if_none_match=first.headers["etag"])).status_code == 304
    await site.proxy.publish_files({"swagger.json": b'{"a": 2}'})
    second = await site.get("/swagger.json", if_none_match=first.headers["etag"])
    assert second.content == b'{"a": 2}'
    await site.proxy.publish_files({"swagger.json": b'{"a": 2}'})
    assert (await site.get("/swagger.json")).headers["etag"] == second.headers["etag"]
    await site.proxy.publish_files({"swagger.json": b'{"long": "%s"}' % (b"x" * 5000)})
    assert (await site.get("/swagger.json")).headers["content-encoding"] == "gzip"


async def test_no_other_static_file_can_be_published(site: Site) -> None:
    with pytest.raises(Rejected, match="no static file"):
        await site.proxy.publish_files({"../nginx.conf": b"evil"})


async def test_the_documentation_needs_nobody_else(site: Site) -> None:
    await site.publish()
    root = await site.get("/")
    assert (root.status_code, root.headers["location"]) == (302, "/docs/")
    page = await site.get("/docs/")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    parts = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(parts) == 5
    for part in parts:
        assert (await site.get(f"/docs/{part}")).status_code == 200, part
    assert "<script>" not in page.text
    assert "://" not in page.text + (await site.get("/docs/page.js")).text
    missing = await site.get("/docs/nothing")
    assert missing.json()["status"] == 404


async def test_nginx_accepts_the_golden_files(site: Site) -> None:
    for name in ("conf", "logs", "tmp"):
        (site.directory / name).mkdir(parents=True)
    for golden in GOLDEN.glob("*.conf"):
        await trio.run_process(
            ["/usr/sbin/nginx", "-p", str(site.directory), "-t", "-c", str(golden)],
            cwd=site.directory,
            capture_stderr=True,
        )
