"""Fetch documents from instances over HTTP.

The other side is any program that registered itself, so everything that it decides is bounded: how long it may take in
all, how much it may send, where it may point. Nothing is followed (redirects), nothing is unpacked (a few kilobytes of
gzip can be gigabytes), no name is resolved, no proxy of the environment is used.
"""

from __future__ import annotations

import ssl
from ipaddress import ip_address
from typing import Final

import httpx
import trio

from hfs_appliance.ports.errors import Missing, Rejected, Transient

LARGEST: Final = 5 * 1024 * 1024
TIMEOUT_SECONDS: Final = 5.0

_HEADERS: Final = {
    "Accept": "application/json, application/yaml;q=0.9, */*;q=0.5",
    "Accept-Encoding": "identity",
    "User-Agent": "hfs",
}
_GONE: Final = (404, 410)
_PASSING: Final = (408, 425, 429)


class HttpSpecSource:
    """Fetches from `http://<IP address>:<port>/<path>` only. Keeps no connections, so there is nothing to close."""

    def __init__(self, *, largest: int = LARGEST, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._largest = largest
        self._timeout_seconds = timeout_seconds
        self._client = httpx.AsyncClient(
            headers=_HEADERS,
            timeout=None,  # noqa: S113 (silences alone would not stop a slow sender: the whole fetch has one limit)
            trust_env=False,
            verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),  # unused, and loading no certificates saves 20 ms
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    async def fetch(self, url: str) -> bytes:
        """Read a document. Errors: Transient, Rejected, Missing; their words begin with the URL."""
        place = url[:200] if url.isprintable() else repr(url[:200])
        _check_address(url, place)
        try:
            with trio.fail_after(self._timeout_seconds):
                return await self._read(url, place)
        except trio.TooSlowError:
            raise Transient(f"{place}: no whole answer within {self._timeout_seconds:g} s") from None
        except httpx.TransportError as error:
            raise Transient(f"{place}: {str(error) or type(error).__name__}") from None

    async def _read(self, url: str, place: str) -> bytes:
        async with self._client.stream("GET", url) as response:
            _check_head(response, place)
            if int(response.headers.get("Content-Length", "0")) > self._largest:
                raise Rejected(f"{place}: more than {self._largest} bytes")
            content = bytearray()
            # Cancelled, not left: httpx reads through generators within generators, which only unwind from the inside.
            with trio.CancelScope() as reading:
                async for chunk in response.aiter_raw():
                    if len(content) + len(chunk) > self._largest:
                        reading.cancel()
                    else:
                        content += chunk
            if reading.cancel_called:
                raise Rejected(f"{place}: more than {self._largest} bytes")
            return bytes(content)


def _check_address(url: str, place: str) -> None:
    try:
        parsed = httpx.URL(url)
        address = ip_address(parsed.host)
    except (httpx.InvalidURL, ValueError):
        raise Rejected(f"{place}: not a URL with an IP address") from None
    if parsed.scheme != "http" or parsed.userinfo or not 0 < (parsed.port or 80) < 65536:
        raise Rejected(f"{place}: only plain http:// without a user is fetched, from a port up to 65535")
    if address.is_link_local or address.is_multicast or address.is_unspecified:
        # Link-local is where clouds keep the metadata of their servers.
        raise Rejected(f"{place}: {address} is no address of an instance")


def _check_head(response: httpx.Response, place: str) -> None:
    status = response.status_code
    if status in _GONE:
        raise Missing(f"{place}: answered {status}")
    if status in _PASSING or status >= 500:
        raise Transient(f"{place}: answered {status}")
    if response.has_redirect_location:
        raise Rejected(f"{place}: redirects to {response.headers['Location'][:200]!r}; redirects are not followed")
    if status != 200:
        raise Rejected(f"{place}: answered {status}")
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding.strip().lower() not in ("", "identity"):
        raise Rejected(f"{place}: is encoded ({encoding[:40]!r}), which was not asked for")
