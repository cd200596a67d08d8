"""Reading: what is understood, what is refused, and that refusing is cheap."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hfs_appliance.swagger.grammar import Dialect
from hfs_appliance.swagger.read import MAX_BYTES, MAX_YAML_BYTES, DocumentError, parse_document


def refusal(content: bytes | str, content_type: str | None = None) -> str:
    with pytest.raises(DocumentError) as caught:
        parse_document(content.encode() if isinstance(content, str) else content, content_type)
    return caught.value.words


def yaml_value(text: str) -> Any:
    return parse_document(f"openapi: 3.1.0\nx-value: {text}\n".encode()).root["x-value"]


@pytest.mark.parametrize(
    ("content", "dialect"),
    [
        ('{"swagger": "2.0"}', Dialect.SWAGGER_2_0),
        ("swagger: 2.0", Dialect.SWAGGER_2_0),
        ('{"openapi": "3.0.3"}', Dialect.OPENAPI_3_0),
        ('openapi: "3.0.4"', Dialect.OPENAPI_3_0),
        ("openapi: 3.1.1", Dialect.OPENAPI_3_1),
        ("\ufeff\n {openapi: 3.1.0}", Dialect.OPENAPI_3_1),
    ],
)
def test_the_dialect_is_known(content: str, dialect: Dialect) -> None:
    content_type = "application/yaml" if "{openapi" in content else None
    assert parse_document(content.encode(), content_type).dialect is dialect


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "it is empty"),
        (" \n\t", "it is empty"),
        ("<!DOCTYPE html><html>Bad gateway</html>", "it is an HTML or XML page"),
        ("null", "it holds null"),
        ("[]", "it holds a list"),
        ("Not found", "it holds a text"),
        ("42", "it holds a number"),
        ("{}", "it says neither"),
        ('{"swaggerVersion": "1.2"}', "Swagger 1.2 is not read"),
        ('{"swagger": "1.2"}', "Swagger '1.2' is not read"),
        ('{"openapi": "9.9.9"}', "OpenAPI '9.9.9' is not read"),
        ('{"openapi": "3.2.0"}', "OpenAPI '3.2.0' is not read"),
        ('{"openapi": null}', "OpenAPI 'None' is not read"),
        ('{"openapi": "3.1.0", "paths": {"/a"', "it was cut off"),
        ('{"openapi": "3.1.0",}', "broken JSON"),
        ('{"openapi": "3.1.0", "x-a": NaN}', "NaN is not a JSON number"),
        ('{"openapi": "3.1.0", "x-a": 1e999}', "the number 1e999 is too large"),
        ('{"openapi": "3.1.0", "openapi": "3.0.0"}', "'openapi' stands twice"),
        ("openapi: 3.1.0\nopenapi: 3.0.0", "'openapi' in line 2 stands twice"),
        ("openapi: 3.1.0\npaths: [", "broken YAML"),
        ("openapi: 3.1.0\n---\nopenapi: 3.1.0", "more than one YAML document"),
        ("openapi: 3.1.0\nx-a: !!python/object/apply:os.system [ls]", "the YAML tag"),
        ("openapi: 3.1.0\nx-a: &a [*a]", "alias 'a'"),
        ("openapi: 3.1.0\nx-a: *nobody", "alias 'nobody'"),
        ("openapi: 3.1.0\n[a, b]: c", "is not a text"),
        ("openapi: 3.1.0\nx-a: \x01", "broken YAML"),
    ],
)
def test_what_is_no_document_is_said_clearly(content: str, words: str) -> None:
    assert words in refusal(content)


def test_what_is_not_utf_8_is_refused() -> None:
    assert "not UTF-8" in refusal(b'{"openapi": "3.1.0", "x": "\xff"}')


@pytest.mark.parametrize("content_type", [None, "application/yaml"])
def test_three_thousand_levels_are_refused(content_type: str | None) -> None:
    deep = '{"openapi": "3.1.0", "x-deep": ' + "[" * 3000 + "]" * 3000 + "}"
    assert refusal(deep, content_type) == "it is nested more than 100 levels deep"


def test_a_hundred_levels_are_read() -> None:
    content = '{"openapi": "3.1.0", "x-deep": ' + "[" * 98 + "]" * 98 + "}"
    assert parse_document(content.encode()).dialect is Dialect.OPENAPI_3_1


def test_an_alias_bomb_is_refused_without_being_expanded() -> None:
    levels = "".join(f"  l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 10)}]\n" for i in range(1, 12))
    assert "each alias counted" in refusal(f"openapi: 3.1.0\nx-bomb:\n  l0: &l0 lol\n{levels}")


def test_aliases_cannot_hide_depth() -> None:
    chain = "".join(f"  l{i}: &l{i} [*l{i - 1}]\n" for i in range(1, 120))
    assert "levels deep" in refusal(f"openapi: 3.1.0\nx-chain:\n  l0: &l0 lol\n{chain}")


def test_too_much_is_refused() -> None:
    assert f"more than {MAX_BYTES} bytes" in refusal(b" " * (MAX_BYTES + 1))
    assert "send JSON" in refusal("openapi: 3.1.0\nx-a: " + "a" * MAX_YAML_BYTES)
    assert "more than 500000 values" in refusal(json.dumps({"openapi": "3.1.0", "x-a": [0] * 500_001}))


def test_yaml_is_read_as_yaml_1_2() -> None:
    texts = ("on", "no", "yes", "012", "12:30:45", "1_000", "2026-01-31", "0b11", "1.2.3", ".inf", ".nan", "=", "<<")
    assert [yaml_value(text) for text in texts] == list(texts)
    assert [yaml_value(text) for text in ("true", "False", "null", "~", "")] == [True, False, None, None, None]
    assert [yaml_value(text) for text in ("12", "-3", "0x1F", "0o17", "1.50", "1e3")] == [12, -3, 31, 15, 1.5, 1000.0]
    assert [yaml_value(text) for text in ('"12"', "'true'", "|\n  null\n")] == ["12", "true", "null\n"]


def test_yaml_keys_are_texts() -> None:
    assert yaml_value("{200: a, null: b, on: c}") == {"200": "a", "null": "b", "on": "c"}


def test_integers_stay_exact() -> None:
    exact = [9223372036854775807, -9223372036854775808]
    assert parse_document(json.dumps({"openapi": "3.1.0", "x-a": exact}).encode()).root["x-a"] == exact
    assert yaml_value("9223372036854775807") == exact[0]


def schema(text: str) -> str:
    return '{"openapi": "3.1.0", "components": {"schemas": {"A": ' + text + "}}}"


@pytest.mark.parametrize(
    "reference", ["http://evil.example/x", "file:///etc/passwd", "other.yaml#/A", "//evil.example/x", "../a.json", ""]
)
def test_a_reference_that_leaves_the_document_is_refused(reference: str) -> None:
    written = json.dumps({"$ref": reference})
    for place in (written, '{"properties": {"a": ' + written + "}}", '{"items": {"allOf": [' + written + "]}}"):
        assert "leaves the document" in refusal(schema(place))
    path = '{"swagger": "2.0", "paths": {"/a": {"get": {"responses": {"200": ' + written + "}}}}}"
    assert "leaves the document" in refusal(path)


@pytest.mark.parametrize(
    "text",
    [
        '{"properties": {"$ref": {"type": "string"}}}',
        '{"example": {"$ref": "http://evil.example/x"}}',
        '{"default": {"$ref": "other.yaml"}}',
        '{"enum": [{"$ref": "other.yaml"}]}',
        '{"const": {"$ref": "other.yaml"}}',
        '{"x-any": {"$ref": "other.yaml"}}',
        '{"$ref": "#/components/schemas/A"}',
    ],
)
def test_what_only_looks_like_a_reference_is_none(text: str) -> None:
    assert parse_document(schema(text).encode()).dialect is Dialect.OPENAPI_3_1
