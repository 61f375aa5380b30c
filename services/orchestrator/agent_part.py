"""What all parts of an agent file share."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Sentence = Annotated[str, Field(min_length=1)]
ToolName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class Part(BaseModel):
    """A mapping of an agent file: an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)
