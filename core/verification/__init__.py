"""What `invariscope models verify` asks of entries of the catalog, and of the encoders on this machine."""
