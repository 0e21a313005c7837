"""Overlap, surface distances and volumes of two label maps on one grid."""
