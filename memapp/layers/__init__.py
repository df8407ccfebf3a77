"""Memory layers: projections of the log that answer `recall`. They never import one another."""
