"""Torture: writers, copies and versions on servers that fail and are killed, and a count of what was lost.

Run it with ``make torture``. It is not a part of the tests.
"""
