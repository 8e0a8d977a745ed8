"""Task cards, and loading of benchmark data from folders, the hub and bundled samples."""
