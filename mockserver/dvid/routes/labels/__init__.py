"""Requests to instances of labels: ``/api/node/{version}/{name}/...``."""
