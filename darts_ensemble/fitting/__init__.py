"""What is fitted to, or tried on, labelled scans while the networks stay as they are: weights of views, layout of slices."""
