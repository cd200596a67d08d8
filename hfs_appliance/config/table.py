"""What every table of a configuration file is: strict, closed, with the model's own defaults."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def default(model: type[DataclassInstance], name: str) -> Any:
    """Give the model's own default of a field."""
    return next(field.default for field in fields(model) if field.name == name)


class Table(BaseModel):
    """A table of the file: unknown keys are mistakes, and nothing is converted silently."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, use_attribute_docstrings=True)
