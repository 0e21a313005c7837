"""The rating application: a study served to readers' browsers, blinded, and its ratings exported."""
