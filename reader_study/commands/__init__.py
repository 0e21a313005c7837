"""The command darts-reader-study: one file for each group of subcommands."""
