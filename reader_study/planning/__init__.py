"""Plan a study before it begins: design, regions, images, and the order in which each reader sees them."""
