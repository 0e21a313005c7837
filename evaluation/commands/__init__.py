"""The command darts-eval: its options, its steps and what it prints."""
