"""The changes that a commit can make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyvolume.errors import AddressError, ExistsError
from pyvolume.local.commit import Draft
from pyvolume.local.layout import check_new

OURS = "pyvolume"
"""The key of the metadata of a file under which pyvolume keeps what it knows of its voxels."""


@dataclass(frozen=True, slots=True)
class _Change:
    """A change without files of its own."""

    def discard(self) -> Path | None:
        """Do nothing, because nothing was made."""
        return None


@dataclass(frozen=True, slots=True)
class NewFileset(_Change):
    """A fileset without files; `metadata` can be None. If it is shared, somebody else can have made it already."""

    id: str
    metadata: dict[str, Any] | None = None
    is_shared: bool = False

    def into(self, draft: Draft) -> None:
        """Add it to a draft."""
        if self.is_shared and self.id in draft.index.filesets:
            return
        if self.id.endswith(".json"):
            raise AddressError(f"{draft.action}: expected an id that is no name of a document, and found {self.id!r}")
        check_new(self.id, draft.index.filesets, draft.action)
        draft.add_fileset(self.id)
        place = draft.folder.document(self.id)
        if self.metadata is not None or place.exists():  # older programs leave metadata of what is gone
            draft.check_repeated(self.id, self.metadata or {})
            document = draft.document(self.id)
            document.clear()
            document |= self.metadata or {}
            draft.repeat()


@dataclass(frozen=True, slots=True)
class NewFile:
    """Data of a file, which are complete under a temporary name."""

    fileset: str
    id: str
    suffix: str
    data: Path
    metadata: dict[str, Any] | None
    overwrite: bool

    def into(self, draft: Draft) -> None:
        """Add it to a draft."""
        files = draft.files_of(self.fileset)
        is_there = self.id in files
        if not is_there:
            check_new(self.id, draft.alike(self.fileset, self.id), draft.action)
        elif not self.overwrite:
            raise ExistsError(f"{draft.action}: it exists; overwrite=True replaces it", action=draft.action)
        name = f"{self.id}{self.suffix}"
        owner = draft.owner_of(self.fileset, name, self.id)
        if owner != self.id:
            raise ExistsError(f"{draft.action}: {name!r} holds the data of {owner!r}", action=draft.action)
        self._describe(draft, is_there=is_there)
        draft.put(self.fileset, self.id, name, self.data)

    def _describe(self, draft: Draft, *, is_there: bool) -> None:
        """Replace the metadata; those of a file that is replaced stay if none are given."""
        if self.metadata is None and not draft.folder.document(self.fileset, self.id).exists():
            return
        document = draft.document(self.fileset, self.id)
        if self.metadata is not None or not is_there:
            document.clear()
        document.pop(OURS, None)
        document |= self.metadata or {}

    def discard(self) -> Path | None:
        """Remove the data, if they have no other name now, and return the folder of the fileset."""
        self.data.unlink(missing_ok=True)
        return self.data.parent


@dataclass(frozen=True, slots=True)
class NewMetadata(_Change):
    """Values for keys of the metadata of a scan, a fileset or a file."""

    fileset: str
    file: str
    values: Mapping[str, Any]

    def into(self, draft: Draft) -> None:
        """Add it to a draft."""
        if self.fileset:
            files = draft.files_of(self.fileset)
            if self.file:
                draft.found(files, self.file, "file")
            else:
                draft.check_repeated(self.fileset, dict(self.values))
        document = draft.document(self.fileset, self.file)
        document |= self.values
        if not self.file:
            draft.repeat(() if self.fileset else tuple(self.values))


@dataclass(frozen=True, slots=True)
class Removal(_Change):
    """The end of a file, or of a fileset with all its files."""

    fileset: str
    file: str = ""

    def into(self, draft: Draft) -> None:
        """Add it to a draft."""
        files = draft.files_of(self.fileset)
        if self.file:
            draft.found(files, self.file, "file")
        draft.remove(self.fileset, self.file)
