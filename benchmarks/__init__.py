"""Throughput beside a bare socket and beside requests; never part of the tests' verdict."""
