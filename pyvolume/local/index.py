"""The index of a scan: its filesets and files, in their order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyvolume.errors import MetadataError
from pyvolume.local.layout import LONGEST_NAME, is_component
from pyvolume.model.arguments import brief


class Index:
    """What ``files.json`` says. Entries that cannot be used stay in the document, and are listed as problems.

    Parameters
    ----------
    document : dict
        The content of the file; edits change it.
    action : str
        For messages.

    Attributes
    ----------
    filesets : dict
        For each fileset the names of its files, by their ids. The name is None for a file that was never written.
    problems : list of str
        What is wrong with single entries.

    Raises
    ------
    MetadataError
        If the document is no index.
    """

    def __init__(self, document: dict[str, Any], action: str) -> None:
        self.document = document
        self.filesets: dict[str, dict[str, str | None]] = {}
        self.problems: list[str] = []
        self._listed: dict[str, list[Any]] = {}
        for at, each in enumerate(_list(document.get("filesets"), action, "$.filesets")):
            self._add(each, action, f"$.filesets[{at}]")

    def _add(self, fileset: Any, action: str, at: str) -> None:
        if not isinstance(fileset, dict):
            raise MetadataError(f"{action}: expected a fileset at {at} and found {brief(fileset)}", path=at)
        name = fileset.get("id")
        if not is_component(name):
            self.problems.append(f"{at}: a fileset has the id {brief(name)}, which names no folder of the scan")
            return
        if "files" not in fileset:
            self.problems.append(f"{at}: the fileset {name!r} has no list of files")
        listed = _list(fileset.setdefault("files", []), action, f"{at}.files")
        if name in self.filesets:
            self.problems.append(f"{at}: the fileset {name!r} is listed twice")
        self.filesets.setdefault(name, {}).update(self._names(listed, action, f"{at}.files"))
        self._listed[name] = listed

    def _names(self, listed: list[Any], action: str, at: str) -> dict[str, str | None]:
        """Return the names of files by id; an index has thousands, and nearly all are as they should be."""
        try:
            found = {each["id"]: each["file"] for each in listed}
            names = {str}.issuperset(map(type, found)) and {str}.issuperset(map(type, found.values()))
            joined = "\n".join(found) if names else "/"
        except (KeyError, TypeError):
            joined, found = "/", {}
        is_plain = joined.isascii() and not set(joined) & {"/", "\\", "\0"} and not found.keys() & {"", ".", ".."}
        if is_plain and len(found) == len(listed) and max(map(len, found), default=0) <= LONGEST_NAME:
            return found
        return dict(self._checked(listed, action, at))

    def _checked(self, listed: list[Any], action: str, at: str) -> Iterator[tuple[str, str | None]]:
        """Look at each entry of a list in which something is wrong."""
        seen: set[str] = set()
        for number, each in enumerate(listed):
            place = f"{at}[{number}]"
            if not isinstance(each, dict):
                raise MetadataError(f"{action}: expected a file at {place} and found {brief(each)}", path=place)
            name, file = each.get("id"), each.get("file")
            if not is_component(name) or not isinstance(file, str | None):
                self.problems.append(f"{place}: expected an id and the name of a file and found {brief(each)}")
                continue
            if file is None:
                self.problems.append(f"{place}: the file {name!r} was never written")
            if name in seen:
                self.problems.append(f"{place}: the file {name!r} is listed twice; the last entry counts")
            seen.add(name)
            yield name, file

    def add_fileset(self, fileset: str) -> None:
        """Add a fileset without files."""
        added: dict[str, Any] = {"id": fileset, "files": []}
        self.document["filesets"].append(added)
        self.filesets[fileset] = {}
        self._listed[fileset] = added["files"]

    def put(self, fileset: str, file: str, name: str) -> None:
        """Give a file a name; it keeps its place, and has one entry."""
        if file in self.filesets[fileset]:
            same = [each for listed in self._lists(fileset) for each in listed if each.get("id") == file]
            same[-1]["file"] = name
            for listed in self._lists(fileset):
                listed[:] = [each for each in listed if each.get("id") != file or each is same[-1]]
        else:
            self._listed[fileset].append({"id": file, "file": name})
        self.filesets[fileset][file] = name

    def remove(self, fileset: str, file: str = "") -> None:
        """Take a file out, or a whole fileset."""
        if file:
            for listed in self._lists(fileset):
                listed[:] = [each for each in listed if each.get("id") != file]
            del self.filesets[fileset][file]
        else:
            kept = [each for each in self.document["filesets"] if each.get("id") != fileset]
            self.document["filesets"] = kept
            del self.filesets[fileset], self._listed[fileset]

    def _lists(self, fileset: str) -> list[list[Any]]:
        """Return the list of files of a fileset; there are several if the fileset is listed twice."""
        return [each["files"] for each in self.document["filesets"] if each.get("id") == fileset]


def _list(found: Any, action: str, at: str) -> list[Any]:
    if not isinstance(found, list):
        raise MetadataError(f"{action}: expected a list at {at} and found {brief(found)}", path=at)
    return found
