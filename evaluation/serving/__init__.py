"""Pages served to browsers: the address of a server, the rules for requests and responses, and the image viewer."""
