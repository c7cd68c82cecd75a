"""The documents of GraphQL, and what is read from their answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pyvolume.errors import AnswerError

GENERATION = (
    '{ next: __type(name: "FromArrayLikeInput") { name } later: __type(name: "CreateArrayDatasetInput") { name } }'
)

KEYS = "accessKey secretKey sessionToken bucket key expiresIn"

FACTS = "id name tags createdAt creator { sub } dataset { id name }"

VIEWS = """views {
  __typename cMin cMax xMin xMax yMin yMax zMin zMax tMin tMax
  ... on ChannelView { name }
  ... on AffineTransformationView { id affineMatrix }
  ... on DerivedView { originImage { id } }
}"""

IMAGE = (
    f"query Image($id: ID!) {{ image(id: $id) {{ {FACTS} {VIEWS} store {{ id accessGrant {{ {KEYS} region }} }} }} }}"
)

ORIGIN = "query Origin($id: ID!) { image(id: $id) { id } }"

IMAGES = f"""query Images($filters: ImageFilter, $ordering: [ImageOrder!]!, $pagination: OffsetPaginationInput) {{
  images(filters: $filters, ordering: $ordering, pagination: $pagination) {{ {FACTS} }}
}}"""

MADE = """query Made($name: String!, $limit: Int!) {
  images(filters: {name: {exact: $name}}, ordering: [{id: DESC}], pagination: {limit: $limit}) {
    id store { id } views { __typename }
  }
}"""

ACCESS = f"mutation Access($input: RequestZarrAccessInput!) {{ requestZarrAccess(input: $input) {{ {KEYS} region }} }}"

UPLOAD = f"mutation Upload($input: RequestZarrUploadInput!) {{ requestZarrUpload(input: $input) {{ {KEYS} store }} }}"

FINISH = "mutation Finish($input: FinishZarrUploadInput!) { finishZarrUpload(input: $input) { id } }"

CREATE = "mutation Create($input: FromArrayLikeInput!) { fromArrayLike(input: $input) { id } }"

UPDATE = f"mutation Update($input: UpdateImageInput!) {{ updateImage(input: $input) {{ {FACTS} }} }}"

DELETE = "mutation Delete($input: DeleteImageInput!) { deleteImage(input: $input) }"

FOLDER = "id name isDefault parent { id }"

DATASETS = f"""query Datasets(
  $filters: DatasetFilter, $ordering: [DatasetOrder!]!, $pagination: OffsetPaginationInput
) {{
  datasets(filters: $filters, ordering: $ordering, pagination: $pagination) {{ {FOLDER} }}
}}"""

DATASET = f"query Dataset($id: ID!) {{ dataset(id: $id) {{ {FOLDER} }} }}"

CREATE_DATASET = (
    f"mutation CreateDataset($input: CreateDatasetInput!) {{ createDataset(input: $input) {{ {FOLDER} }} }}"
)

PUT_IN = "mutation Put($input: AssociateInput!) { putImagesInDataset(input: $input) { id } }"


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What the catalogue says of an image.

    Parameters
    ----------
    id, name : str
        Its id, and its name.
    tags : tuple of str
        As the server writes them, sorted.
    created : datetime
        When it was made.
    creator : str
        The ``sub`` of the user who made it; empty if the server does not say it.
    dataset : str
        The id of the dataset that it is in; empty for none.
    views : sequence of mapping
        What was said of it, as documents.
    """

    id: str
    name: str
    tags: tuple[str, ...]
    created: datetime
    creator: str
    dataset: str
    views: Sequence[Mapping[str, Any]] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """What the catalogue says of a dataset."""

    id: str
    name: str
    is_default: bool
    parent: str


def image_facts(document: Mapping[str, Any], action: str) -> ImageFacts:
    """Read what an answer says of an image.

    Raises
    ------
    AnswerError
        If it lacks something.
    """
    try:
        return ImageFacts(
            str(document["id"]),
            str(document["name"]),
            tuple(sorted(map(str, document["tags"]))),
            datetime.fromisoformat(document["createdAt"]),
            str((document["creator"] or {}).get("sub", "")),
            str((document["dataset"] or {}).get("id", "")),
            tuple(document.get("views", ())),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _unexpected(action, "an image", error) from None


def dataset_facts(document: Mapping[str, Any], action: str) -> DatasetFacts:
    """Read what an answer says of a dataset."""
    try:
        parent = document["parent"] or {}
        return DatasetFacts(
            str(document["id"]), str(document["name"]), bool(document["isDefault"]), str(parent.get("id", ""))
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise _unexpected(action, "a dataset", error) from None


def _unexpected(action: str, what: str, error: Exception) -> AnswerError:
    return AnswerError(f"{action}: expected {what} in the answer: {type(error).__name__} {error}")
