"""How voxels look on the wire, where several drivers share it."""
