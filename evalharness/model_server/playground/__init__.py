"""The playground at `/`: visitors watch a model denoise, compare two decoding methods, and test answers."""
