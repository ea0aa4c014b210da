"""What is measured of an encoder on a data set beside its answers: one measure a file, one dict.

A measure turns the material of a protocol into tables. Its head is the linear probe with seed 0, the one that the
study's own answers rest on.
"""

from core.results.info import ANSWERS
from core.study.measures.attribution import ATTRIBUTION
from core.study.measures.base import Measure
from core.study.measures.geometry import GEOMETRY
from core.study.measures.invariance import INVARIANCE

MEASURES: dict[str, Measure] = {measure.id: measure for measure in (INVARIANCE, ATTRIBUTION, GEOMETRY)}

__all__ = ["ANSWERS", "MEASURES", "Measure"]
