"""A volume as slices: their layout in each view, the input channels of a network, and boxes around head and brain."""
