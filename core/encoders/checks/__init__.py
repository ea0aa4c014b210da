"""Whether entries of the catalog, and encoders on this machine, are what they should be."""
