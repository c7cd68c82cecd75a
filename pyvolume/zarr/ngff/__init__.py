"""NGFF: what OME-Zarr says of images, as values."""
