"""Folder databases, as the programs of ROMI share them: scans, filesets, files and their metadata."""

from pyvolume.files.ply import Mesh
from pyvolume.local.checking import Problem
from pyvolume.local.database import LocalStore
from pyvolume.local.file import LocalFile
from pyvolume.local.fileset import Fileset
from pyvolume.local.scan import Scan

__all__ = ["Fileset", "LocalFile", "LocalStore", "Mesh", "Problem", "Scan"]
