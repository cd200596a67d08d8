"""Image (Glance v2): a list of images by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from sim.wire.openstack.http import Request, Response
from sim.wire.openstack.network import fixed_id
from sim.wire.openstack.router import ApiError, Route

IMAGE: Final = "debian-12"


class Image:
    """Implements Service."""

    type = "image"
    prefix = "/image"
    root = ""
    version: Mapping[str, str] = {"id": "v2"}
    needs_token = True

    def __init__(self, names: Sequence[str] = (IMAGE,)) -> None:
        self.images: Final[list[Mapping[str, Any]]] = [
            {"id": fixed_id(f"image-{number}-{name}"), "name": name, "status": "active", "visibility": "public"}
            for number, name in enumerate(names)  # two may have one name
        ]
        self.routes: Sequence[Route] = (
            ("GET", "/v2/images", self._list),
            ("GET", "/v2/images/{image}", self._show),
        )

    def refusal(self, error: ApiError) -> Any:
        """Give the body of a refusal."""
        return {"code": error.status, "title": HTTPStatus(error.status).phrase, "message": error.message}

    def _list(self, request: Request) -> Response:
        name = request.query.get("name")
        return Response(body={"images": [image for image in self.images if name in (None, image["name"])]})

    def _show(self, _request: Request, image: str) -> Response:
        for found in self.images:
            if found["id"] == image:
                return Response(body=found)
        raise ApiError(HTTPStatus.NOT_FOUND, f"No image found with ID {image}")
