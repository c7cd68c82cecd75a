"""N5: volumes in folders, and the images of BigDataViewer that are stored in it."""

from pyvolume.n5.accessor import N5VersionedVolume, N5Volume
from pyvolume.n5.container import Container

__all__ = ["Container", "N5VersionedVolume", "N5Volume"]
