"""darts-view: a scan and its label maps in the browser, on this machine alone."""
