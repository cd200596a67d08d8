"""Put one service's document in its place in the merged one: mounted, renamed, with nothing left that could collide.

Lives here: public paths, and the names of components, operations, tags and anchors. The input is what `convert`
gives. Rule: names are taken from tables made beforehand, in reference positions only; text that merely looks like a
name stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote, urljoin, urlsplit

from hfs_appliance.model.ids import ServiceName
from hfs_appliance.swagger.clean import Notes
from hfs_appliance.swagger.discriminators import make_explicit
from hfs_appliance.swagger.grammar import METHODS, OPENAPI, Node, rebuild
from hfs_appliance.swagger.read import measure
from hfs_appliance.swagger.refs import Names, find, reference_to, tokens_of

MAX_SERVERS: Final = 10
"""Servers of an operation that are looked at."""

_TEMPLATE: Final = re.compile(r"\{([\w.~*+-]+)\}")
_ILLEGAL: Final = re.compile(r"[\x00-\x20\x7f{}?#\"<>\\^`|]")
_ODD: Final = re.compile(r"[^A-Za-z0-9._-]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """Where a service's operations are found: `/<service>/x` of the endpoint is `<base_path>x` of an instance."""

    service: ServiceName
    base_path: str = "/"
    document_path: str = "/"
    """Path of the document on the instance: relative server addresses start there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """One service's part of the merged document: clean, and free of names that others may use."""

    paths: Mapping[str, Node]
    webhooks: Mapping[str, Node]
    components: Mapping[str, Mapping[str, Any]]
    tags: Sequence[Node]
    operations: int


def place(root: Node, mount: Mount, notes: Notes) -> Placed:
    """Give the part of a converted document that is reachable below its mount."""
    return _Placing(root, mount, notes).place()


class _Placing:
    def __init__(self, root: Node, mount: Mount, notes: Notes) -> None:
        self._root = root
        self._mount = mount
        self._notes = notes
        self._service = mount.service
        self._components: Mapping[str, Node] = root.get("components", {})
        self._moved: dict[tuple[str, ...], tuple[str, str]] = {}
        """Public path and method of each operation that is listed, by its place in the service's own document."""
        self._ids: dict[str, str] = {}
        """New operation ids by old ones, and by place."""
        self._ids_by_place: dict[tuple[str, ...], str] = {}
        self._operation_names = Names()
        self._tags: dict[str, Node] = {}
        for tag in root.get("tags", ()):
            self._tags.setdefault(tag["name"], tag)
        self._component_names = {
            section: _renamed(self._service, named) for section, named in sorted(self._components.items())
        }

    def place(self) -> Placed:
        tree: Node = {"paths": self._public_paths(), "components": self._components}
        tree["webhooks"] = {f"{self._service}.{name}": item for name, item in self._root.get("webhooks", {}).items()}
        for path, method, operation in _operations(tree["paths"]):
            operation.setdefault("operationId", f"{method}_{_slug(path.removeprefix(f'/{self._service}'))}")
            # Readers show operations by tag: one without any goes under the service's own name.
            operation["tags"] = operation.get("tags") or [""]
        tree = rebuild(OPENAPI, "document", tree, self._complete)
        measure(tree)  # what was pushed down to the operations can be much more than it was
        for place, (path, method) in self._moved.items():
            self._ids_by_place[place] = tree["paths"][path][method]["operationId"]
        tree = make_explicit(tree)
        self._components = tree["components"] = self._without_lost_links(tree["components"])
        tree = rebuild(OPENAPI, "document", tree, self._rename)
        return Placed(
            paths=tree["paths"],
            webhooks=tree["webhooks"],
            components={
                section: {self._component_names[section][name]: each for name, each in named.items()}
                for section, named in tree["components"].items()
                if named
            },
            tags=[{**tag, "name": self._tag(name)} for name, tag in self._tags.items()],
            operations=sum(1 for _ in _operations(tree["paths"])),
        )

    # --- paths

    def _public_paths(self) -> dict[str, Node]:
        public: dict[str, Node] = {}
        by_template: dict[str, str] = {}
        for path, item in self._root.get("paths", {}).items():
            if not path.startswith("/"):
                continue
            if (wrong := _wrong_with(path)) is not None:
                self._notes.add(f"the path {path[:120]!r} {wrong}")
                continue
            for method, address in self._addresses(path, item):
                home = by_template.setdefault(_TEMPLATE.sub("{}", address), address)
                operation = self._operation(item, method, path, home)
                if method in public.setdefault(home, _described(item)):
                    self._notes.add(f"{method.upper()} {path[:120]} is described twice: {home[:120]} was kept")
                    continue
                public[home][method] = operation
                self._moved["paths", path, method] = (home, method)
        return public

    def _addresses(self, path: str, item: Node) -> Iterator[tuple[str, str]]:
        """Give the public address of each method of a path, where there is one."""
        for method in METHODS:
            if method not in item:
                continue
            servers = item[method].get("servers") or item.get("servers") or self._root.get("servers") or [{"url": "/"}]
            inside = [self._inside(server, path) for server in servers[:MAX_SERVERS]]
            reachable = [address for address in inside if address is not None]
            if reachable:
                yield method, f"/{self._service}/{reachable[0]}"
            else:
                self._notes.add(f"{method.upper()} {path[:120]} lies outside {self._mount.base_path!r}: not reachable")

    def _inside(self, server: Node, path: str) -> str | None:
        """Give the instance's path below the base path of the mount; None when it lies elsewhere."""
        url = server["url"]
        for name, variable in server.get("variables", {}).items():
            url = url.replace("{" + name + "}", variable["default"])
        try:
            prefix: str = urlsplit(urljoin(self._mount.document_path, url)).path
        except ValueError:
            return None
        whole: str = prefix.rstrip("/") + path
        if not whole.startswith(self._mount.base_path) or _wrong_with(whole) is not None:
            return None
        return whole[len(self._mount.base_path) :]

    def _operation(self, item: Node, method: str, path: str, home: str) -> Node:
        """Give an operation with all its parameters; path parameters are those of the address, by its names."""
        renames = dict(
            zip(_TEMPLATE.findall(path), _TEMPLATE.findall(home)[-len(_TEMPLATE.findall(path)) :], strict=False)
        )
        operation: Node = item[method]
        effective: dict[tuple[str, str], Node] = {}
        for parameter in (*item.get("parameters", ()), *operation.get("parameters", ())):
            known = self._followed(parameter)
            name, kind = known["name"], known["in"]
            if kind == "path" and name not in renames:
                self._notes.add(f"{path[:120]}: parameter {name[:80]!r} has no place in the path")
            elif kind == "path" and renames[name] != name:
                effective[kind, renames[name]] = known | {"name": renames[name]}
            else:
                effective[kind, name] = parameter
        for name in _TEMPLATE.findall(home):
            if ("path", name) not in effective:
                self._notes.add(f"{path[:120]}: parameter {name[:80]!r} is not described")
                undescribed = {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
                effective["path", name] = undescribed
        rest = {key: value for key, value in operation.items() if key not in ("parameters", "servers")}
        return rest | ({"parameters": list(effective.values())} if effective else {})

    def _followed(self, node: Node) -> Node:
        while "$ref" in node:
            node = find(self._root, tokens_of(node["$ref"]) or ())
        return node

    # --- first pass: complete every operation

    def _complete(self, kind: str, node: Node) -> Node | None:
        if kind == "path-item":
            return {key: value for key, value in node.items() if key != "servers"}
        if kind == "responses":
            return node if any(not code.startswith("x-") for code in node) else None
        if kind != "operation":
            return node
        said = node.get("operationId", "callback")
        given = self._operation_names.give(f"{self._service}_{said}")
        self._ids.setdefault(said, given)
        for tag in node.get("tags", ()):
            self._tags.setdefault(tag, {"name": tag})
        new = {key: value for key, value in node.items() if key != "servers"}
        new["operationId"] = given
        if "tags" in new:
            new["tags"] = [self._tag(tag) for tag in new["tags"]]
        if "security" not in new and "security" in self._root:
            new["security"] = self._root["security"]
        return new

    def _tag(self, name: str) -> str:
        return f"{self._service}:{name}" if name else self._service

    # --- second pass: rename what is referred to

    def _rename(self, kind: str, node: Node) -> Node | None:
        if kind == "requirement":
            return {self._scheme(name): scopes for name, scopes in node.items()}
        if kind == "discriminator" and "mapping" in node:
            return {**node, "mapping": {value: self._reference(target) for value, target in node["mapping"].items()}}
        if kind == "link" and "$ref" not in node:
            target = self._target(node)
            kept = {key: value for key, value in node.items() if key not in ("operationRef", "operationId")}
            return None if target is None else {**kept, **target}
        if kind == "link" and not self._target(node):
            return None
        if kind == "schema":
            node = self._schema(node)
        return {**node, "$ref": self._reference(node["$ref"])} if "$ref" in node else node

    def _reference(self, reference: str) -> str:
        _, section, name = tokens_of(reference) or ()
        return reference_to("components", section, self._component_names[section][name])

    def _anchor(self, name: str) -> str:
        return f"_{self._service}.{name}"

    def _schema(self, node: Node) -> Node:
        new = dict(node)
        new.pop("$anchor", None)  # nothing refers to it any more (see refs)
        for key in ("$id", "$schema"):
            if key in new:
                self._notes.add(f"a schema's {key} {str(new.pop(key))[:80]!r}")
        if "$dynamicAnchor" in new:
            new["$dynamicAnchor"] = self._anchor(new["$dynamicAnchor"])
        if new.get("$dynamicRef", "").startswith("#"):
            new["$dynamicRef"] = f"#{self._anchor(new['$dynamicRef'][1:])}"
        return new

    def _scheme(self, name: str) -> str:
        known = self._component_names.get("securitySchemes", {})
        if name not in known:
            self._notes.add(f"security names {name[:80]!r}, which is described nowhere")
        return known.get(name, f"{self._service}.{_ODD.sub('_', name)}")

    def _without_lost_links(self, components: Node) -> Node:
        links = components.get("links", {})
        return {**components, "links": {name: each for name, each in links.items() if self._target(each)}}

    def _target(self, link: Node) -> Node | None:
        """Tell which operation a link leads to, as the field of a link; None (and a note) when that is not listed."""
        if "$ref" in link:
            name = (tokens_of(link["$ref"]) or ("",))[-1]
            return self._target(self._components["links"][name]) if name in self._components["links"] else None
        reference = link.get("operationRef")
        if reference is not None and not reference.startswith("#"):
            return {"operationRef": reference}
        if reference is None and link["operationId"] in self._ids:
            return {"operationId": self._ids[link["operationId"]]}
        place = tokens_of(reference or "")
        if place is not None and place in self._ids_by_place:
            return {"operationId": self._ids_by_place[place]}
        self._notes.add(f"a link leads to {str(reference or link['operationId'])[:120]!r}, which is not listed")
        return None


def _wrong_with(path: str) -> str | None:
    if _ILLEGAL.search(_TEMPLATE.sub("", path)):
        return "has characters that no path has"
    if any(unquote(segment) in (".", "..") for segment in path.split("/")):
        return "climbs out of its place"
    return None


def _described(item: Node) -> Node:
    return {key: value for key, value in item.items() if key in ("summary", "description") or key.startswith("x-")}


def _operations(paths: Mapping[str, Node]) -> Iterator[tuple[str, str, Node]]:
    for path, item in paths.items():
        for method in METHODS:
            if method in item:
                yield path, method, item[method]


def _slug(path: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", path).strip("_") or "root"


def _renamed(service: str, named: Mapping[str, Any]) -> dict[str, str]:
    names = Names()
    return {name: names.give(f"{service}.{_ODD.sub('_', name)}") for name in named}
