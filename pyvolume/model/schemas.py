"""Checks of the documents that cross the border to a server, by JSON Schemas with a name and a version.

Each protocol keeps its schemas in a folder of its own. Documents that pyvolume writes are checked strictly; those that
it reads are checked for what the code needs, and unknown fields pass.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from pyvolume.errors import MetadataError

if TYPE_CHECKING:
    from jsonschema.protocols import Validator


@dataclass(frozen=True, slots=True)
class Schemas:
    """The schemas of one protocol.

    Parameters
    ----------
    package : str
        Dotted name of the package whose folder holds the files ``NAME.schema.json``.
    """

    package: str

    def names(self) -> list[str]:
        """Return the names of all schemas, with their versions."""
        files = (entry.name for entry in resources.files(self.package).iterdir())
        return sorted(name.removesuffix(".schema.json") for name in files if name.endswith(".schema.json"))

    def load(self, name: str) -> dict[str, Any]:
        """Return the schema called `name`, e.g. ``"dvid-metadata-1"``."""
        text = resources.files(self.package).joinpath(f"{name}.schema.json").read_text("utf-8")
        schema: dict[str, Any] = json.loads(text)
        return schema

    def validate(self, name: str, document: Any, action: str) -> None:
        """Check a document.

        Raises
        ------
        MetadataError
            With one sentence about the error nearest to the top, and its JSON path.
        """
        from jsonschema.exceptions import best_match

        error = best_match(_validator(self, name).iter_errors(document))
        if error is not None:
            path = error.json_path
            message = error.message if len(error.message) <= 300 else error.message[:300] + "…"
            raise MetadataError(f"{action}: the document breaks {name} at {path}: {message}", path=path)


@functools.cache
def _validator(schemas: Schemas, name: str) -> Validator:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(schemas.load(name))
