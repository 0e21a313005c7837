"""DICOM: from a folder of files to the T1 scan in it, and from a label map back to a segmentation object on its series."""
