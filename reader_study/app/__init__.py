"""The rating application: serves a blinded study to the browsers of its readers and its coordinator."""
