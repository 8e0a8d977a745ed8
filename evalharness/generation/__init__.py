"""What backends share below them: sampling, stop sequences, devices, chat templates and infilling formats."""
