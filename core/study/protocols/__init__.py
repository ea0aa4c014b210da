"""How an encoder is adapted to a data set: one protocol a file, one dict.

A protocol turns material (features, labels, a seed) into answers for test samples. It reads no file and stores none
but checkpoints of its own long work.
"""

from core.study.protocols.base import Material, Protocol, ProtocolAnswers
from core.study.protocols.fewshot import FEW_SHOT
from core.study.protocols.finetuning.protocol import FINE_TUNE
from core.study.protocols.knn import KNN
from core.study.protocols.linear import LINEAR

PROTOCOLS: dict[str, Protocol] = {protocol.id: protocol for protocol in (LINEAR, KNN, FEW_SHOT, FINE_TUNE)}

__all__ = ["PROTOCOLS", "Material", "Protocol", "ProtocolAnswers"]
