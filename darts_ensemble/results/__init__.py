"""What a segmentation gives: label map, volumes, flags, probabilities, overlap, and the files they are written to."""
