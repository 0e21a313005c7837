"""darts-view: a scan and its label maps in the browser, served to this machine only."""
