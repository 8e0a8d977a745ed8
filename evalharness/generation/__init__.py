"""What all backends share: sampling, stop sequences, devices, chat templates and infilling (FIM) formats."""
