"""The steps from a scan to its label map, for one scan, for many, and on a cluster."""
