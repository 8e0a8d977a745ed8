"""Container engines, and the images that they run."""
