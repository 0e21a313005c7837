"""What is scored: the regions of each protocol, and how label ids map to them."""
