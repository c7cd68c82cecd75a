"""Schemas: each names its draft, is valid, and has examples that keep it and that break it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from pyvolume.dvid.schemas import SCHEMAS as DVID
from pyvolume.errors import MetadataError
from pyvolume.model.schemas import Schemas
from pyvolume.zarr.ngff.schemas import SCHEMAS as ZARR

EXAMPLES: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("schema_examples.json").read_text("utf-8"))

SCHEMAS: dict[str, Schemas] = {name: schemas for schemas in (DVID, ZARR) for name in schemas.names()}

each_schema = pytest.mark.parametrize("name", SCHEMAS)


def cases(kind: str) -> list[Any]:
    return [
        pytest.param(name, example, id=f"{name}-{i}")
        for name, examples in EXAMPLES.items()
        for i, example in enumerate(examples[kind])
    ]


@each_schema
def test_every_schema_names_its_draft(name: str) -> None:
    assert SCHEMAS[name].load(name)["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@each_schema
def test_every_schema_is_valid(name: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[name].load(name))


@each_schema
def test_every_schema_has_a_version_and_says_what_it_describes(name: str) -> None:
    assert name.rpartition("-")[2].isdigit()
    assert SCHEMAS[name].load(name)["title"]


@each_schema
def test_every_schema_has_examples_of_both_kinds(name: str) -> None:
    assert [len(EXAMPLES[name][kind]) > 0 for kind in ("keep", "break")] == [True, True]


def test_there_are_no_examples_of_schemas_that_are_gone() -> None:
    assert sorted(EXAMPLES) == sorted(SCHEMAS)


@pytest.mark.parametrize(("name", "document"), cases("keep"))
def test_an_example_keeps_its_schema(name: str, document: Any) -> None:
    assert list(Draft202012Validator(SCHEMAS[name].load(name)).iter_errors(document)) == []
    SCHEMAS[name].validate(name, document, "read")


@pytest.mark.parametrize(("name", "example"), cases("break"))
def test_an_example_breaks_its_schema_at_a_json_path(name: str, example: dict[str, Any]) -> None:
    with pytest.raises(MetadataError) as raised:
        SCHEMAS[name].validate(name, example["document"], "read this")
    assert raised.value.path == example["path"]
    assert str(raised.value).startswith(f"read this: the document breaks {name} at {example['path']}: ")


def test_a_huge_document_does_not_become_a_huge_message() -> None:
    with pytest.raises(MetadataError) as raised:
        DVID.validate("dvid-note-1", {f"key{i}": "x" * 100 for i in range(1000)}, "read this")
    assert len(str(raised.value)) < 500
