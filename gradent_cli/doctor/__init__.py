"""Whether everything that gradent needs is in place: `examine` looks, and has a room for each field."""
