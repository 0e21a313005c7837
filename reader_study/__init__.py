"""What do experts think of a label map: ratings read and checked, the published table, agreement, ordinal model."""
