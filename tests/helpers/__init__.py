"""What several tests share: small networks, scripted servers, made runs, programs."""
