"""The report of a reader study, its methods text and its list of columns."""
