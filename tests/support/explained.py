"""Explanations of a small environment, as the API would give them."""

from __future__ import annotations

from hfs_appliance.model.explained import (
    Division,
    DocumentReport,
    Explained,
    MemberReport,
    PathExplanation,
    RoutingReport,
    ServerExplanation,
    ServiceExplanation,
    Waiting,
)
from hfs_appliance.model.ids import ServiceName, Version
from hfs_appliance.model.plan import Hold, PoolCount, VersionCount
from hfs_appliance.model.reports import ServerReport

_V1, _V2 = Version("1.0.0"), Version("2.0.0")
_AT = "2023-11-14T22:13:20.000Z"
DOCUMENT = DocumentReport(state="stale", operations=4, words="status 500")
ROUTING = RoutingReport(
    divided_by="the client's address",
    divisions=(
        Division(version=_V2, weight=50, members=1, matches=("header X-Beta = yes",)),
        Division(version=_V1, weight=950, members=1),
    ),
    members=(
        MemberReport(
            instance="small-0001",
            version=_V1,
            address="127.77.0.1:80",
            traffic="yes",
            phase="serving",
            words="registered",
        ),
        MemberReport(
            instance="small-0002",
            version=_V1,
            address="",
            traffic="no",
            phase="warming",
            words="not registered: starts",
        ),
    ),
    epoch=7,
    words="the proxy serves what the registry and the desired state ask for",
)


def explained(target: str, report: ServerReport, log: str) -> Explained | None:
    """Explain what a small environment has; None: there is nothing of that name."""
    match target:
        case "small-0001":
            return ServerExplanation(
                report=report,
                evidence={"cloud": "running", "registration": "up"},
                waits=(Waiting(what="confirm-ready small-0001", words="under way, for bookkeeping"),),
                holds=(),
                events=(),
                log=log,
            )
        case "dns":
            return _service(report)
        case "/dns/records":
            return PathExplanation(
                path=target,
                url=f"http://127.0.0.1:8080{target}",
                words="dns, as /v1/records",
                service=ServiceName("dns"),
                upstream_path="/v1/records",
                routing=ROUTING,
                document=DOCUMENT,
                holds=(),
                events=(),
            )
        case "/":
            return PathExplanation(
                path="/",
                url="http://127.0.0.1:8080/",
                words="the endpoint itself",
                service=None,
                upstream_path="",
                routing=None,
                document=None,
                holds=(),
                events=(),
            )
        case _:
            return None


def _service(report: ServerReport) -> ServiceExplanation:
    return ServiceExplanation(
        service=ServiceName("dns"),
        versions={_V1: VersionCount(desired=3, serving=1, starting=1, suspect=0, draining=0)},
        floor=1,
        pool="small",
        pool_count=PoolCount(size=3, warm=0, building=2),
        scaling=None,
        servers=(report,),
        waits=(Waiting(what="1 more of 1.0.0", words="a server of pool small", since=_AT, until=_AT),),
        holds=(Hold(scope="pool/small", rule="max-servers", words="40 servers are the most"),),
        routing=None,
        document=DOCUMENT,
        events=(),
    )
