"""Template families of generated functions, one module per subject."""
