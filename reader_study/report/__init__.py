"""The report of a reader study: its sections, columns and methods text."""
