"""Read scans, check them, bring them to the networks' grid (LIA, 1 mm) and back, and find the files that a user names."""
