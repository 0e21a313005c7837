"""Which subjects, references and label maps there are: Mindboggle-101, FreeSurfer, BIDS, folders and manifests."""
