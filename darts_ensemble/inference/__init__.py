"""Run a network over the slices of a volume, fast and in bounded memory."""
