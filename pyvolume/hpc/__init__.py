"""The HPC DataStore: multi-resolution, versioned microscopy images."""

from pyvolume.hpc.accessor import DataStoreVolume
from pyvolume.hpc.dataset import Dataset
from pyvolume.hpc.documents import DatasetInfo
from pyvolume.hpc.levels import LevelInfo
from pyvolume.hpc.server import DataStore

__all__ = ["DataStore", "DataStoreVolume", "Dataset", "DatasetInfo", "LevelInfo"]
