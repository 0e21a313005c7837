"""Tables of ratings: read, check and summarise them."""
