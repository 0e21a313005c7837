"""The architectures, and the network of one view with what is needed to use it."""
