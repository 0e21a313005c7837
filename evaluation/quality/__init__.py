"""The quality page of a cohort: measure label maps, sort them by who needs a look, draw and write the page."""
