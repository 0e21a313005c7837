"""One run: score every method on every subject, in parallel, and write results with an account of where they come from."""
