"""A batch whose rows join and leave at any pass, each with its own way of decoding."""
