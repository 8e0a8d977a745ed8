"""Container engines (Docker, bubblewrap), and the images that they run."""
