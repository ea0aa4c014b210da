"""Weight files: where they are, how they get there, and whether they are what the catalog says."""
