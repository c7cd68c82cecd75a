"""One operation of a user: patience, deadline, counters, progress."""
