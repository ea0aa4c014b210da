"""Encoders for tests of plots to draw, one of each family."""

import toys

SSL = toys.spec("ssl", label="Net · SSL", regime="self-supervised")
SL = toys.spec("sl", label="Net · SL")
RANDOM = toys.spec("random", label="Net · random", regime="random")
OTHER = toys.spec("clip", label="Net · text", regime="vision-language")
