"""The training corpus: generated functions, library source code, document views, and decontamination."""
