"""Weights files: read, check, download, name and write them; the bundled ones lie here too."""
