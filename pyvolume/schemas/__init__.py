"""The documents that cross the border to a server, as JSON Schemas by name and version.

Documents that pyvolume writes are checked strictly; those that it reads are checked for what the code needs, and
fields that nobody here knows pass.
"""

from __future__ import annotations

import functools
import json
from importlib import resources
from typing import TYPE_CHECKING, Any

from pyvolume.errors import MetadataError

if TYPE_CHECKING:
    from jsonschema.protocols import Validator


def names() -> list[str]:
    """Return the names of all schemas, with their versions."""
    files = (entry.name for entry in resources.files(__name__).iterdir())
    return sorted(name.removesuffix(".schema.json") for name in files if name.endswith(".schema.json"))


def load(name: str) -> dict[str, Any]:
    """Return the schema called `name`, e.g. ``"dvid-metadata-1"``."""
    text = resources.files(__name__).joinpath(f"{name}.schema.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


@functools.cache
def _validator(name: str) -> Validator:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(load(name))


def validate(name: str, document: Any, action: str) -> None:
    """Check a document.

    Raises
    ------
    MetadataError
        With one sentence about the error nearest to the top, and its JSON path.
    """
    from jsonschema.exceptions import best_match

    error = best_match(_validator(name).iter_errors(document))
    if error is not None:
        path = error.json_path
        message = error.message if len(error.message) <= 300 else error.message[:300] + "…"
        raise MetadataError(f"{action}: the document breaks {name} at {path}: {message}", path=path)
