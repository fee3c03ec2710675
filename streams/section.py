"""What every table of the settings file has in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A table of the settings file: unknown names are errors, values never change after start."""

    model_config = ConfigDict(extra="forbid", frozen=True)
