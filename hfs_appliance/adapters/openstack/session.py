"""The session: logs in to keystone and sends calls. The only file that knows openstacksdk; every method blocks.

Of the SDK its configuration (clouds.yaml, OS_* variables), its credentials and its HTTP session are used, not its
resource layer: that one sends mutations again (OS2, OS3), waits and polls by itself (OS5), attaches addresses (OS6).
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from hfs_appliance.adapters.openstack.calls import Answer, Api, Call, Lost, NoService, NotSent, Refused
from hfs_appliance.model.instants import SECOND, Instant

if TYPE_CHECKING:
    from keystoneauth1.session import Session as HttpSession
    from openstack.config.cloud_region import CloudRegion

LOGIN_WITHIN_S: Final = 10.0
CONNECT_WITHIN_S: Final = 5.0
RENEW_AT: Final = 0.8
"""OS10: share of a token's life after which a new one is asked for, while the old one is still good."""
_RENEW_APART_S: Final = 10.0
_CONNECTIONS: Final = 64

_VERSION: Final = {Api.COMPUTE: "/v2.1", Api.IMAGE: "/v2", Api.NETWORK: "/v2.0", Api.LOAD_BALANCER: "/v2.0"}
_VERSION_IN_URL: Final = re.compile(r"/v\d+(\.\d+)?(/[0-9a-f-]{32,36})?/?$")
"""At the end of an endpoint's URL, with the project's id in old catalogues."""


class Session:
    """One account's way into one cloud; may be used by many threads."""

    def __init__(self, cloud: str | None, clouds_file: str | None) -> None:
        self._cloud: Final = cloud
        self._clouds_file: Final = clouds_file
        self._opening: Final = threading.Lock()
        self._renewing: Final = threading.Lock()
        self._renew_not_before = 0.0
        self._opened: tuple[CloudRegion, HttpSession] | None = None

    def project(self) -> str:
        """Give the id of the project that the account works in. Errors: NotSent, Refused."""
        _, http = self._open()
        with _logging_in():
            return str(http.get_project_id())

    def reopen(self) -> None:
        """Begin anew with the next call: whoever still logs in does not hold up anybody else."""
        self._opened = None

    def send(self, call: Call, within_s: float, begin: Callable[[], None]) -> Answer:
        """Send a call once and give its answer; `begin` is called when nothing but the sending is left to do.

        Errors: NotSent, Lost, Refused, NoService, and what `begin` raises.
        """
        from keystoneauth1.exceptions import ClientException

        region, http = self._open()
        self._renew_ahead(http)
        with _logging_in():
            url = _endpoint(region, http, call.api) + call.path
            token = http.get_auth_headers() or {}
        begin()
        try:
            response = http.request(
                url,
                call.method,
                json=call.body,
                params=dict(call.query),
                headers={**token, "Accept": "application/json"},
                authenticated=False,  # the header is there: a 401 must come back here, not lead to a second POST
                timeout=(min(CONNECT_WITHIN_S, within_s), within_s),
                redirect=False,
                raise_exc=False,
                connect_retries=0,
                status_code_retries=0,
                log=False,
                microversion=call.microversion,
                microversion_service_type=call.api.value if call.microversion else None,
            )
        except ClientException as error:
            words = f"{call.words}: {_words(error)}"
            raise (Lost if _has_left(error) else NotSent)(words) from error
        if response.status_code == 401:
            http.invalidate()
        return Answer(
            status=response.status_code,
            headers=response.headers,
            content=response.content,
            told_at=_date(response.headers.get("date")),
        )

    def _open(self) -> tuple[CloudRegion, HttpSession]:
        with self._opening:
            opened = self._opened = self._opened or _opened(self._cloud, self._clouds_file)
            return opened

    def _renew_ahead(self, http: HttpSession) -> None:
        """Have a new token before the old one ends, so that no call and no long job ever meets its end."""
        from keystoneauth1.exceptions import ClientException

        auth: Any = http.auth
        held = getattr(auth, "auth_ref", None)
        if held is None or not _is_old(held.issued, held.expires) or time.monotonic() < self._renew_not_before:
            return
        if not self._renewing.acquire(blocking=False):
            return  # somebody is at it; the old one is good
        try:
            self._renew_not_before = time.monotonic() + _RENEW_APART_S
            with suppress(ClientException):  # while keystone is away, the old one is good for a fifth of its life
                auth.auth_ref = auth.get_auth_ref(http)
        finally:
            self._renewing.release()


def _opened(cloud: str | None, clouds_file: str | None) -> tuple[CloudRegion, HttpSession]:
    import openstack.config
    import yaml
    from keystoneauth1.exceptions import ClientException
    from keystoneauth1.session import TCPKeepAliveAdapter
    from openstack.exceptions import SDKException

    try:
        files = None if clouds_file is None else [clouds_file]
        settings = openstack.config.OpenStackConfig(config_files=files)  # type: ignore[no-untyped-call,unused-ignore]
        region = settings.get_one(cloud=cloud, api_timeout=LOGIN_WITHIN_S)
        http = region.get_session()
    except (SDKException, ClientException, yaml.YAMLError, OSError) as error:
        raise Refused(f"clouds.yaml: {_words(error)}") from error
    for scheme in ("http://", "https://"):
        http.session.mount(scheme, TCPKeepAliveAdapter(pool_maxsize=_CONNECTIONS))
    return region, http


def _is_old(issued: datetime, expires: datetime) -> bool:
    return datetime.now(UTC) >= issued + (expires - issued) * RENEW_AT


def _endpoint(region: CloudRegion, http: HttpSession, api: Api) -> str:
    """Give where a service is, with the version of its API that we speak. Errors: NoService; the SDK's."""
    region_name = region.get_region_name(api.value)
    url = region.get_endpoint(api.value) or http.get_endpoint(
        service_type=api.value, interface=region.get_interface(api.value), region_name=region_name
    )
    if not url:
        raise NoService(f"the catalogue has no {api.value} service in region {region_name or 'any'}")
    return _VERSION_IN_URL.sub("", url).rstrip("/") + _VERSION[api]


@contextmanager
def _logging_in() -> Iterator[None]:
    """Say what keystone's errors mean: nothing of ours has been sent yet. Errors: NotSent, Refused."""
    from keystoneauth1 import exceptions

    refusals = (
        exceptions.Unauthorized,
        exceptions.Forbidden,
        exceptions.CatalogException,
        exceptions.AuthPluginException,
    )
    try:
        yield
    except refusals as error:
        raise Refused(f"keystone: {_words(error)}") from error
    except exceptions.ClientException as error:
        raise NotSent(f"keystone: {_words(error)}") from error


def _words(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def _has_left(error: BaseException) -> bool:
    """Tell whether a request may have reached the other side; keystoneauth calls all of it ConnectFailure."""
    from requests.exceptions import ConnectTimeout, SSLError
    from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

    unsent = (ConnectTimeout, SSLError, ConnectTimeoutError, NewConnectionError, ValueError)
    return not any(isinstance(cause, unsent) for cause in _causes(error))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Give what lies behind an error: each library hides the next one's somewhere else."""
    pending, seen = [error], set[int]()
    while pending:
        found = pending.pop()
        if id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        behind = (found.__cause__, found.__context__, getattr(found, "reason", None), *found.args)
        pending.extend(cause for cause in behind if isinstance(cause, BaseException))


def _date(text: str | None) -> Instant | None:
    try:
        return None if text is None else Instant(int(parsedate_to_datetime(text).timestamp()) * SECOND)
    except ValueError:
        return None
