"""The state of a server: repositories, versions, instances."""
