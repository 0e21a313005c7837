"""Rankings of methods: read, tested and modelled."""
