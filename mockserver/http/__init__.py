"""HTTP: connections, requests, answers, faults. A protocol hands in the rest as `shared.Shared`."""
