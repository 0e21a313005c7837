"""DICOM: finds and converts the T1 scan in a folder of files, and writes a label map as a segmentation of that series."""
