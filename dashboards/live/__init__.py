"""Pages on a live run: the plant to be watched and driven by hand, training, replay. One more face of the same `Session`."""
