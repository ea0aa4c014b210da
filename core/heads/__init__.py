"""Heads: what maps pooled features to a task's classes, and how one is fitted."""
