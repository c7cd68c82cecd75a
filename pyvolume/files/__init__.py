"""Voxels in files: one module per format, its library imported when such a file is touched."""
