"""The paths of the catalogue and of the store, and the fields of the schema."""
