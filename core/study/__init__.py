"""Studies: encoders × data sets × protocols, run once, stored for good, resumed when interrupted."""
