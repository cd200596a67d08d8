"""The JSON schema of configuration files, for editors. Less strict than reading: it knows no checks between keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, NoDefault

from hfs_appliance.config.shape import File

if TYPE_CHECKING:
    from pydantic_core import core_schema


def json_schema() -> dict[str, Any]:
    """Give the JSON schema, draft 2020-12."""
    # "serialization": defaults are shown as an operator writes them ("30s").
    schema = File.model_json_schema(mode="serialization", schema_generator=_ForToml)
    return {"$schema": GenerateJsonSchema.schema_dialect, **schema, "title": "hfs configuration"}


class _ForToml(GenerateJsonSchema):
    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - titles would repeat the keys
        return False

    def get_default_value(self, schema: core_schema.WithDefaultSchema) -> Any:
        """Leave out defaults that TOML cannot say: it has no null."""
        default = super().get_default_value(schema)
        return NoDefault if default is None else default

    def encode_default(self, dft: Any) -> Any:
        """Leave such defaults out of tables, too."""
        return _without_none(super().encode_default(dft))

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """Show a key that may be left out as the value that it has when it is there."""
        return self.generate_inner(schema["schema"])

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        """Close tables of free keys to names that do not keep their grammar."""
        return {**super().dict_schema(schema), "additionalProperties": False}


def _without_none(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: _without_none(inner) for key, inner in value.items() if inner is not None}
