"""What a controller does, scan by scan. Its only window on the plant is the process image."""
