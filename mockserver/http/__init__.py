"""HTTP: connections, requests, answers, faults; no protocol above it."""
