"""Writes the JSON schema of a model, without defaults that settings models read from their process.

`store: Store = Store()` puts into the schema what the environment said when the module was imported.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import PydanticSerializationError


def written_schema(schema: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON schema of the model as pydantic writes it, or as the model writes itself.

    Raises whatever the model's own code raises.
    """
    if _settings() is None:
        return schema.model_json_schema()
    try:
        return schema.model_json_schema(schema_generator=JsonSchemaOfGiven)
    except TypeError:  # a method of its own, without parameters
        return schema.model_json_schema()


class JsonSchemaOfGiven(GenerateJsonSchema):
    """Leaves defaults out that contain a settings model."""

    ignored_warning_kinds = {  # noqa: RUF012  (pydantic's own declaration)
        "skipped-choice",
        "non-serializable-default",
        "skipped-discriminator",
    }

    def encode_default(self, dft: Any) -> Any:
        settings = _settings()
        if settings is not None and _contains(dft, settings):
            raise PydanticSerializationError("it may be from the environment")
        return super().encode_default(dft)


def _settings() -> type | None:
    base = getattr(sys.modules.get("pydantic_settings"), "BaseSettings", None)
    return base if isinstance(base, type) else None


def _contains(value: object, settings: type) -> bool:
    todo, seen = [value], {}
    while todo:
        each = todo.pop()
        if isinstance(each, settings):
            return True
        if id(each) in seen:
            continue
        seen[id(each)] = each
        if isinstance(each, BaseModel):
            todo.extend(vars(each).values())
        elif dataclasses.is_dataclass(each) and not isinstance(each, type):
            todo.extend(getattr(each, field.name, None) for field in dataclasses.fields(each))
        elif isinstance(each, Mapping):
            todo.extend(each.values())
        elif isinstance(each, (list, tuple, set, frozenset)):
            todo.extend(each)
    return False
