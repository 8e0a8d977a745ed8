"""The speed-quality frontier."""
