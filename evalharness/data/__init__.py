"""Task cards and benchmark data: loading, the hub, download."""
