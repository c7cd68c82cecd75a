"""The formats of labels: native blocks, compressions, sparse volumes."""
