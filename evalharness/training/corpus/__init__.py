"""The training corpus: generated functions, open-source library code, document formats, decontamination."""
