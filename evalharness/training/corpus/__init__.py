"""What the bundled model is trained on: a generator of small functions, library source, views, and decontamination."""
