"""From the probabilities of the views to one label map: weights of views, fusion, sides of a sagittal view."""
