"""The page at `/`: people watch a model denoise, race two ways of decoding, and run the answer in the sandbox."""
