"""Plant designs: the schema, the loader, and a catalogue of packaged plants."""
