"""Writes the JSON schema of a model, without defaults that settings models read from their process.

`store: Store = Store()` puts into the schema what the environment said when the module was imported.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import PydanticSerializationError

from floe_core._configuring.config_shape import members_of
from floe_core._configuring.given_values import settings_base


def written_schema(schema: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON schema of the model as pydantic writes it, or as the model writes itself.

    Raises whatever the model's own code raises.
    """
    if settings_base() is None:
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
        settings = settings_base()
        if settings is not None and _contains(dft, settings):
            raise PydanticSerializationError("it may be from the environment")
        return super().encode_default(dft)


def _contains(value: object, settings: type) -> bool:
    todo, seen = [value], {}
    while todo:
        each = todo.pop()
        if isinstance(each, settings):
            return True
        if id(each) in seen:
            continue
        seen[id(each)] = each
        if (members := members_of(each)) is not None:
            todo.extend(members.values())
        elif isinstance(each, (list, tuple, set, frozenset)):
            todo.extend(each)
    return False
