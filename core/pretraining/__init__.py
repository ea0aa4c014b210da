"""Trains the controlled family: same data, same network, same views, another training signal."""
