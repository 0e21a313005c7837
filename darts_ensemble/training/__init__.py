"""Train the network of a view on labelled scans."""
