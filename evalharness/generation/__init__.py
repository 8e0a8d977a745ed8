"""What backends share: sampling, stop sequences, devices, infilling formats."""
