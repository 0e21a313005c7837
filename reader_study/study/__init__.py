"""A study as it runs: its folder, its database, the answers in it and their export."""
