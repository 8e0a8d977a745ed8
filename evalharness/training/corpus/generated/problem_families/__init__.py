"""Problem families: templates of generated functions, one module per subject."""
