"""Published models: which graphs are accepted, what running them costs, and keeping them ready."""
