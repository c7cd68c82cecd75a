"""Where a request to an instance points to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from mockserver.dvid.model.instances import Instance
from mockserver.dvid.model.lineage import Lineage
from mockserver.dvid.model.repository import Repository, Version

T = TypeVar("T", bound=Instance, covariant=True)


@dataclass(frozen=True)
class Place(Generic[T]):
    """An instance as one version sees it."""

    repository: Repository
    version: Version
    instance: T

    @property
    def lineage(self) -> Lineage:
        """Numbers of the versions whose blocks are seen, the nearest first."""
        return self.repository.lineage(self.version, self.instance)
