"""A running study: its folder, its database, the answers in it and their export."""
