"""Why a published contender that loaded may be none."""

from core.encoders import training_signs
from core.readout import Contender


def doubts(contender: Contender) -> list[str]:
    """Which signs of training a contender lacks, in sentences; empty as a rule.

    A file can fit name by name and still hold a network or a head that nobody trained.
    """
    spec, head = contender.encoder.spec, contender.head
    if spec.weights.packaged or spec.regime == "random":
        return []
    of_network = training_signs.of_network(contender.encoder.network)
    of_head = training_signs.of_head(head.weight.cpu(), head.bias.cpu()) if head.answers else ()
    checks = [*of_network, *of_head]
    return [check.detail for check in checks if not check.ok]
