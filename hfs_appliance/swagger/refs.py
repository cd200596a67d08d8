"""Make every reference one to a whole component, or none.

Lives here: pointers, and `settle`, which runs over a clean document. A reference to anywhere else (into `paths`, into
a part of a component, into an extension) gets a component of its own that holds a copy of its target; references that
lead nowhere are left out and noted; path items that are references are replaced by what they mean. The steps behind
may then rename components by name alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote, unquote

from hfs_appliance.swagger.clean import Notes, clean
from hfs_appliance.swagger.grammar import GRAMMARS, Dialect, Node, rebuild, walk
from hfs_appliance.swagger.read import Copies, Document

_SECTIONS_3: Final = {
    "schema": ("components", "schemas"),
    "response": ("components", "responses"),
    "parameter": ("components", "parameters"),
    "example": ("components", "examples"),
    "body": ("components", "requestBodies"),
    "header": ("components", "headers"),
    "scheme": ("components", "securitySchemes"),
    "link": ("components", "links"),
    "callback": ("components", "callbacks"),
    "path-item": ("components", "pathItems"),
}
_SECTIONS_2: Final = {"schema": ("definitions",), "response": ("responses",), "parameter": ("parameters",)}
SECTIONS: Final[Mapping[Dialect, Mapping[str, tuple[str, ...]]]] = {
    Dialect.SWAGGER_2_0: _SECTIONS_2,
    Dialect.OPENAPI_3_0: _SECTIONS_3,
    Dialect.OPENAPI_3_1: _SECTIONS_3,
}
"""Where components of a kind live."""


MAX_HOPS: Final = 20
"""References that may lead to references, in a row."""


def tokens_of(reference: str) -> tuple[str, ...] | None:
    """Give the tokens of a reference's JSON pointer (RFC 6901, percent-encoded or not); None when it has none."""
    start, *tokens = reference.split("/")
    if start != "#":
        return None
    return tuple(unquote(token).replace("~1", "/").replace("~0", "~") for token in tokens)


def reference_to(*tokens: str) -> str:
    """Write the reference to the place that `tokens` name."""
    parts = (quote(token.replace("~", "~0").replace("/", "~1"), safe="~!$&'()*+,;=:@") for token in tokens)
    return "#/" + "/".join(parts)


def find(root: Any, tokens: tuple[str, ...]) -> Any:
    """Give what stands at a place. Errors: KeyError when nothing does."""
    node = root
    for token in tokens:
        if isinstance(node, dict) and token in node:
            node = node[token]
        elif isinstance(node, list) and token.isascii() and token.isdigit() and int(token) < len(node):
            node = node[int(token)]
        else:
            raise KeyError(token)
    return node


def settle(document: Document, notes: Notes) -> Node:
    """Clean a document and settle its references."""
    root: Node = clean(GRAMMARS[document.dialect], "document", document.root, notes) or {}
    return _Settler(document, root, notes).settle()


class _Settler:
    def __init__(self, document: Document, root: Node, notes: Notes) -> None:
        self._raw = document.root
        self._root = root
        self._notes = notes
        self._grammar = GRAMMARS[document.dialect]
        self._sections = SECTIONS[document.dialect]
        self._anchors = {
            node["$anchor"]: tokens
            for node, tokens in walk(self._grammar, "document", self._raw)
            if isinstance(node.get("$anchor"), str)
        }
        self._names = {kind: Names(self._components(kind)) for kind in self._sections}
        self._hoisted: dict[tuple[str, tuple[str, ...]], str | None] = {}
        self._waiting: list[tuple[str, str, Node]] = []
        self._copies = Copies()

    def settle(self) -> Node:
        self._root["paths"] = {path: self._follow(item) for path, item in self._root.get("paths", {}).items()}
        settled: Node = rebuild(self._grammar, "document", self._root, self._visit)
        while self._waiting:
            kind, name, target = self._waiting.pop()
            home = settled
            for key in self._sections[kind]:
                home = home.setdefault(key, {})
            home[name] = rebuild(self._grammar, kind, target, self._visit)
        return settled

    def _components(self, kind: str) -> Node:
        found = self._root
        for key in self._sections[kind]:
            found = found.get(key, {})
        return found

    def _follow(self, item: Node) -> Node:
        """Replace a path item that is a reference; its own fields go before those of its target."""
        while "$ref" in item:
            own = {key: value for key, value in item.items() if key != "$ref"}
            tokens = self._tokens(item["$ref"])
            target = self._copy("path-item", tokens) if tokens is not None and self._ends("path-item", tokens) else None
            if target is None:
                self._notes.add(f"the reference {item['$ref'][:120]!r} leads nowhere")
                return own
            item = {**target, **own}
        return item

    def _copy(self, kind: str, tokens: tuple[str, ...]) -> Any:
        target = find(self._raw, tokens)
        self._copies.add(target)
        return clean(self._grammar, kind, target, self._notes, tokens)

    def _visit(self, kind: str, node: Node) -> Node | None:
        if kind == "discriminator" and "mapping" in node:
            settled = {value: self._mapped(target) for value, target in node["mapping"].items()}
            return {**node, "mapping": {value: target for value, target in settled.items() if target is not None}}
        if "$ref" not in node or kind not in self._sections:
            return node if kind != "link" or self._has_operation(node) else None
        target = self._settled(kind, node["$ref"])
        if target is not None:
            return {**node, "$ref": target}
        self._notes.add(f"the reference {node['$ref'][:120]!r} leads nowhere")
        return {key: value for key, value in node.items() if key != "$ref"} if kind == "schema" else None

    def _mapped(self, target: str) -> str | None:
        """Settle what a discriminator maps to: the name of a schema, or a reference."""
        named = reference_to(*self._sections["schema"], target) if target in self._components("schema") else None
        settled = named or self._settled("schema", target)
        if settled is None:
            self._notes.add(f"a discriminator's mapping to {target[:120]!r} leads nowhere")
        return settled

    def _settled(self, kind: str, reference: str) -> str | None:
        """Write a reference in its one form, to a component; None when it leads nowhere."""
        tokens = self._tokens(reference)
        if tokens is None or not self._ends(kind, tokens):
            return None
        section = self._sections[kind]
        if tokens[:-1] == section:
            return reference_to(*tokens)
        name = self._hoist(kind, tokens)
        return None if name is None else reference_to(*section, name)

    def _hoist(self, kind: str, tokens: tuple[str, ...]) -> str | None:
        """Give the target of a reference a component of its own and tell its name."""
        key = (kind, tokens)
        if key not in self._hoisted:
            target = self._copy(kind, tokens)
            self._hoisted[key] = None if target is None else self._names[kind].give(".".join(tokens[-3:]))
            name = self._hoisted[key]
            if name is not None:
                self._waiting.append((kind, name, target))
        return self._hoisted[key]

    def _ends(self, kind: str, tokens: tuple[str, ...]) -> bool:
        """Tell whether a chain of references comes to a thing of that kind, which was not left out."""
        section, seen = self._sections.get(kind, ()), set[tuple[str, ...]]()
        while tokens not in seen and len(seen) < MAX_HOPS:
            seen.add(tokens)
            try:
                target = find(self._root if section and tokens[:-1] == section else self._raw, tokens)
            except KeyError:
                return False
            if not isinstance(target, dict):
                return kind == "schema" and isinstance(target, bool)
            reference = target.get("$ref")
            if not isinstance(reference, str) or (kind == "schema" and len(target) > 1):
                return kind != "link" or self._has_operation(target)
            following = self._tokens(reference)
            if following is None:
                return False
            tokens = following
        return False

    def _tokens(self, reference: str) -> tuple[str, ...] | None:
        """Give the place that a reference names, by pointer or by anchor."""
        tokens = tokens_of(reference)
        return self._anchors.get(reference.removeprefix("#")) if tokens is None else tokens

    def _has_operation(self, link: Node) -> bool:
        reference = link.get("operationRef")
        if not isinstance(reference, str) or reference.startswith(("http://", "https://")):
            return True
        try:
            find(self._root, tokens_of(reference) or ("",))
        except KeyError:
            self._notes.add(f"the link to {reference[:120]!r} leads nowhere")
            return False
        return True


class Names:
    """Gives each name once."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)
        self._counts: dict[str, int] = {}

    def give(self, stem: str) -> str:
        """Give `stem`, or `stem_2`, `stem_3`, …: the first that is not taken yet."""
        name, count = stem, self._counts.get(stem, 1)
        while name in self._taken:
            count += 1
            name = f"{stem}_{count}"
        self._counts[stem] = count
        self._taken.add(name)
        return name
