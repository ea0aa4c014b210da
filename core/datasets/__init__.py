"""Labelled images from folders."""
