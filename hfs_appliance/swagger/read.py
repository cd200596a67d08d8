"""Read a service's document: JSON or YAML 1.2, strictly, bounded, without the network.

Lives here: from bytes to plain values, and what is refused on the way. Not here: what the values mean. Rule: nothing
that comes in may cost more than its limit; aliases count as often as they are used, so that a bomb is refused.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from hfs_appliance.swagger.grammar import GRAMMARS, Dialect, walk

MAX_BYTES: Final = 5 * 1024 * 1024
MAX_YAML_BYTES: Final = 1024 * 1024
"""YAML is read in pure Python, about a hundred times slower than JSON."""
MAX_DEPTH: Final = 100
MAX_NODES: Final = 500_000


class DocumentError(Exception):
    """This is no document that can be used; `words` says why, for the operator."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What was read. `root` holds plain JSON values, parts of which may be shared: never change them."""

    dialect: Dialect
    root: Mapping[str, Any]


def parse_document(content: bytes, content_type: str | None = None) -> Document:
    """Read a Swagger 2.0, OpenAPI 3.0 or 3.1 document. Errors: DocumentError."""
    if len(content) > MAX_BYTES:
        raise DocumentError(f"it has more than {MAX_BYTES} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DocumentError(f"it is not UTF-8 text (byte {error.start})") from None
    start = text.lstrip("\r\n\t ")[:1]
    if not start:
        raise DocumentError("it is empty")
    if start == "<":
        raise DocumentError("it is an HTML or XML page, not a document")
    is_yaml = "yaml" in (content_type or "") or start not in "{["
    root = _read_yaml(text) if is_yaml else _read_json(text)
    if not isinstance(root, dict):
        raise DocumentError(f"it holds {_kind(root)} where an object is needed")
    dialect = _dialect(root)
    for node, _ in walk(GRAMMARS[dialect], "document", root):
        reference = node.get("$ref")
        if isinstance(reference, str) and not reference.startswith("#"):
            raise DocumentError(f"the reference {reference[:120]!r} leaves the document")
    return Document(dialect=dialect, root=root)


def _kind(value: object) -> str:
    names = {type(None): "null", str: "a text", list: "a list", bool: "a truth value"}
    return names.get(type(value), "a number")


def _dialect(root: Mapping[str, Any]) -> Dialect:
    if "swaggerVersion" in root:
        raise DocumentError(f"Swagger {str(root['swaggerVersion'])[:20]} is not read; 2.0 and OpenAPI 3.0 and 3.1 are")
    if "openapi" in root:
        said = str(root["openapi"])
        if (match := re.fullmatch(r"(3\.[01])(\.\d+)?(-.*)?", said)) is not None:
            return Dialect(match[1])
        raise DocumentError(f"OpenAPI {said[:20]!r} is not read; 3.0, 3.1 and Swagger 2.0 are")
    if "swagger" in root:
        if str(root["swagger"]) == "2.0":
            return Dialect.SWAGGER_2_0
        raise DocumentError(f"Swagger {str(root['swagger'])[:20]!r} is not read; 2.0 and OpenAPI 3.0 and 3.1 are")
    raise DocumentError("it says neither 'swagger' nor 'openapi'")


# --- JSON


def _read_json(text: str) -> Any:
    try:
        root = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant, parse_float=_finite)
    except json.JSONDecodeError as error:
        cut = ", where it ends: it was cut off" if error.pos >= len(text.rstrip()) - 1 else ""
        raise DocumentError(f"broken JSON: {error.msg} in line {error.lineno}, column {error.colno}{cut}") from None
    except RecursionError:
        raise DocumentError(f"it is nested more than {MAX_DEPTH} levels deep") from None
    except ValueError as error:
        raise DocumentError(f"broken JSON: {error}") from None
    measure(root)
    return root


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise DocumentError(f"the key {twice[:80]!r} stands twice in one object")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise DocumentError(f"broken JSON: {name} is not a JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise DocumentError(f"the number {text[:40]} is too large")
    return value


def measure(root: Any) -> int:
    """Count the values below `root`, level by level (no recursion: the input decides the depth).

    Errors: DocumentError for more than MAX_NODES or MAX_DEPTH.
    """
    level, nodes, depth = [root], 0, 0
    while level:
        nodes += len(level)
        depth += 1
        if depth > MAX_DEPTH:
            raise DocumentError(f"it is nested more than {MAX_DEPTH} levels deep")
        if nodes > MAX_NODES:
            raise DocumentError(f"it has more than {MAX_NODES} values")
        following: list[Any] = []
        for node in level:
            if isinstance(node, dict):
                following.extend(node.values())
            elif isinstance(node, list):
                following.extend(node)
        level = following
    return nodes


class Copies:
    """Counts what is copied within a document: copies of copies could grow without bound where it is small itself."""

    def __init__(self) -> None:
        self._nodes = 0

    def add(self, node: Any) -> None:
        """Count a node that is about to be copied. Errors: DocumentError for more than MAX_NODES in all."""
        self._nodes += measure(node)
        if self._nodes > MAX_NODES:
            raise DocumentError(f"its references stand for more than {MAX_NODES} values")


# --- YAML 1.2


@dataclass(slots=True)
class _Open:
    """A collection whose end has not come yet, with the number of values and levels below it."""

    value: dict[str, Any] | list[Any]
    anchor: str | None
    key: str | None = None
    nodes: int = 1
    depth: int = 1


def _read_yaml(text: str) -> Any:
    if len(text) > MAX_YAML_BYTES:
        raise DocumentError(f"it has more than {MAX_YAML_BYTES} characters of YAML; send JSON")
    builder = _Builder()
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            builder.take(event)
    except MarkedYAMLError as error:
        line = "" if error.problem_mark is None else f" in line {error.problem_mark.line + 1}"
        raise DocumentError(f"broken YAML: {error.problem or error.context}{line}") from None
    except (YAMLError, ValueError, RecursionError) as error:
        raise DocumentError(f"broken YAML: {str(error).splitlines()[0][:200]}") from None
    return builder.root


class _Builder:
    """Build plain values from YAML events: no tags, no merge keys, text keys, bounded."""

    def __init__(self) -> None:
        self.root: Any = None
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Any, int, int]] = {}
        self._documents = 0

    def take(self, event: Event) -> None:
        if isinstance(event, DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise DocumentError("it holds more than one YAML document")
        elif isinstance(event, AliasEvent):
            if event.anchor not in self._anchors:
                raise DocumentError(f"broken YAML: alias {event.anchor[:80]!r} stands in its own anchor or has none")
            self._add(event, *self._anchors[event.anchor])
        elif isinstance(event, ScalarEvent):
            self._refuse_tag(event)
            is_key = bool(self._open) and isinstance(self._open[-1].value, dict) and self._open[-1].key is None
            value = event.value if is_key else _scalar(event)
            self._anchor(event.anchor, value, 1, 1)
            self._add(event, value, 1, 1)
        elif isinstance(event, MappingStartEvent | SequenceStartEvent):
            self._refuse_tag(event)
            if len(self._open) >= MAX_DEPTH:
                raise DocumentError(f"it is nested more than {MAX_DEPTH} levels deep")
            self._open.append(_Open({} if isinstance(event, MappingStartEvent) else [], event.anchor))
        elif isinstance(event, MappingEndEvent | SequenceEndEvent):
            ended = self._open.pop()
            self._anchor(ended.anchor, ended.value, ended.nodes, ended.depth)
            self._add(event, ended.value, ended.nodes, ended.depth)

    def _add(self, event: Event, value: Any, nodes: int, depth: int) -> None:
        if not self._open:
            self.root = value
            return
        parent = self._open[-1]
        parent.nodes += nodes
        parent.depth = max(parent.depth, depth + 1)
        if parent.nodes > MAX_NODES:
            raise DocumentError(f"it has more than {MAX_NODES} values, each alias counted")
        if len(self._open) + depth > MAX_DEPTH:
            raise DocumentError(f"it is nested more than {MAX_DEPTH} levels deep")
        if isinstance(parent.value, list):
            parent.value.append(value)
        elif parent.key is not None:
            parent.value[parent.key] = value
            parent.key = None
        elif not isinstance(value, str):
            raise DocumentError(f"broken YAML: the key in line {event.start_mark.line + 1} is not a text")
        elif value in parent.value:
            raise DocumentError(
                f"the key {value[:80]!r} in line {event.start_mark.line + 1} stands twice in one object"
            )
        else:
            parent.key = value

    def _anchor(self, name: str | None, value: Any, nodes: int, depth: int) -> None:
        if name is not None:
            self._anchors[name] = (value, nodes, depth)

    @staticmethod
    def _refuse_tag(event: Any) -> None:
        if event.tag is not None:
            raise DocumentError(f"the YAML tag {str(event.tag)[:80]} in line {event.start_mark.line + 1} is not read")


_CONSTANTS: Final = {"null": None, "Null": None, "NULL": None, "~": None, "": None} | {
    text: word == "true" for word in ("true", "false") for text in (word, word.title(), word.upper())
}
_INTEGER: Final = re.compile(r"[-+]?(0|[1-9][0-9]{0,99})|0o[0-7]{1,99}|0x[0-9a-fA-F]{1,99}")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


def _scalar(event: ScalarEvent) -> Any:
    """Resolve a scalar by YAML 1.2's core schema; `on`, `no`, `012`, `12:30:45`, `1_000` and dates are texts."""
    text = event.value
    if event.style is not None:
        return text
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text) and not re.fullmatch(r"[-+]?0[0-9]+", text):
        return _finite(text)
    return text
