"""The commands darts-segment, darts-train and darts-weights, and what they share."""
