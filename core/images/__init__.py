"""Bytes from anywhere -> an upright 8-bit RGB image, or one sentence about why not."""
