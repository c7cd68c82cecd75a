"""Checks of the documents that cross the border to a server, by JSON Schemas with a name and a version.

Each protocol keeps its schemas in a folder of its own. Documents that pyvolume writes are checked strictly; those that
it reads are checked for what the code needs, and unknown fields pass.
"""

from __future__ import annotations

import functools
import itertools
import json
import math
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from pyvolume.errors import MetadataError

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

MOST_ERRORS = 100
"""The best message is looked for among the first errors of a document."""


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

        try:
            error = best_match(itertools.islice(_validator(self, name).iter_errors(document), MOST_ERRORS))
        except RecursionError:  # a message shows what is wrong
            raise MetadataError(f"{action}: the document breaks {name}, and is nested too deeply", path="$") from None
        if error is not None:
            path = error.json_path
            message = error.message if len(error.message) <= 300 else error.message[:300] + "…"
            raise MetadataError(f"{action}: the document breaks {name} at {path}: {message}", path=path)


@functools.cache
def _validator(schemas: Schemas, name: str) -> Validator:
    from jsonschema import Draft202012Validator, validators

    checker = Draft202012Validator.TYPE_CHECKER.redefine_many({"integer": _is_integer, "number": _is_number})
    kind: Any = validators.extend(Draft202012Validator, type_checker=checker)  # type: ignore[no-untyped-call]
    validator: Validator = kind(schemas.load(name))
    return validator


def _is_integer(_checker: object, value: object) -> bool:
    """Whether a value is written as an integer: 1.0 is equal to one, and no index."""
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(_checker: object, value: object) -> bool:
    """Whether a value is a number; Python reads infinity and NaN, which JSON does not have."""
    return _is_integer(_checker, value) or (isinstance(value, float) and math.isfinite(value))
