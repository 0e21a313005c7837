"""Studies and ratings exchanged with other programs: codebook, REDCap's dictionary, workbook, archive."""
