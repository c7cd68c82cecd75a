"""Requests: what zarr asks of a folder, a bucket or a web server, under the rules of a call."""
