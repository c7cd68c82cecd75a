"""Where a request to an instance points to."""

from __future__ import annotations

from dataclasses import dataclass

from .instances import Instance
from .repository import Repository, Version


@dataclass(frozen=True)
class Place:
    """An instance as one version sees it."""

    repository: Repository
    version: Version
    instance: Instance

    @property
    def lineage(self) -> list[int]:
        """Numbers of the versions whose blocks are seen, the nearest first."""
        return self.repository.lineage(self.version, self.instance)
