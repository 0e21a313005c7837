"""The quality page of a cohort: measure label maps, put those that need a look first, draw and write the page."""
