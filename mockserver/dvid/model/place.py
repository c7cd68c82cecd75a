"""Place: the instance and the version that a request names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from mockserver.dvid.model.instances import Instance
from mockserver.dvid.model.lineage import Lineage
from mockserver.dvid.model.repository import Repository, Version

T = TypeVar("T", bound=Instance, covariant=True)


@dataclass(frozen=True)
class Place(Generic[T]):
    """An instance in one version."""

    repository: Repository
    version: Version
    instance: T

    @property
    def lineage(self) -> Lineage:
        """The version and its ancestors, nearest first."""
        return self.repository.lineage(self.version, self.instance)
