"""Exchange of items and ratings with other tools."""
