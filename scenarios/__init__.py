"""What is asked of the plant, and how a run is composed, played, recorded and read."""
