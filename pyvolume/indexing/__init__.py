"""Which voxels: numpy's rules."""
