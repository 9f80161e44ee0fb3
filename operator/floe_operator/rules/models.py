"""What the typed models of Kubernetes objects have in common: names on the wire, times, shared texts."""

from __future__ import annotations

import functools
import sys
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, PlainSerializer
from pydantic.alias_generators import to_camel


@functools.lru_cache(maxsize=256)
def timestamp(moment: datetime) -> str:
    """Return a time as metav1.Time writes it: UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


Time = Annotated[datetime, PlainSerializer(timestamp, when_used="json")]


CONFIG = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", regex_engine="python-re")
Shared = Annotated[str, AfterValidator(sys.intern)]
"""A text that a thousand objects share with each other."""


class Model(BaseModel):
    """Base class of the models: camelCase on the wire; unknown fields of another CRD version are ignored.

    Parts that an object can have several of are dataclasses with slots, which need a tenth of a model's
    memory.
    """

    model_config = CONFIG | ConfigDict(frozen=True)
