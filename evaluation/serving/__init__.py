"""Pages served to browsers: where a server listens, what each response must keep, and the image viewer that pages share."""
