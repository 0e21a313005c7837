"""A second look in 3-D: a small network corrects the borders of deep structures after the views have been fused."""
