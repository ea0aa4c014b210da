"""Fine-tuning: the whole encoder is trained on the data set, by the protocol of Kornblith et al. 2019.

1. SGD with Nesterov momentum .9, batches of 64, learning rate along half a cosine to zero without warm-up. Training
   views are random crops (a fifth to all of the area) and flips; evaluation uses the encoder's own preprocessing.
2. Every member of a grid of learning rates and weight decays is trained on the training samples without those held
   out. They are compared by top-1 on the held-out samples, equal ones by likelihood, at ten checks each. A member that
   does not lead ends early by patience or when hopeless (`rules.ending`).
3. The temperature is fitted on the held-out samples' logits of the winner at the end of its schedule.
4. The winner's settings train a fresh copy on all samples for the whole schedule; that copy answers.

The full grid is 7 × 8 as in the paper (`grid = "full"`); the default is three of its rates without weight decay, and
1,000 steps: two to four thousand in all, which a small encoder does in minutes without a GPU. Ericsson et al. 2021
take 5,000 steps, Kornblith et al. 20,000 of 256.

The head starts from zeros. Batch normalisation is in training mode: it normalises by the batch and updates its
averages. The network computes in bfloat16 where hardware does, in float32 elsewhere; parameters, loss and evaluation
are float32. The seed decides the order of samples and their crops, and the validation split of a data set without one
of its own. The encoder itself is never touched. A killed search goes on from its last checkpoint, bit for bit; on a
GPU without room for 64 samples, gradients are summed over smaller pieces (`micro_batch` in the facts), which changes
numbers only by what batch normalisation then sees.
"""

import numpy as np

from core.errors import InvalidRequest
from core.study.protocols.base import Material, Protocol, ProtocolAnswers
from core.study.protocols.finetuning import checkpoint, options, search


def run(material: Material) -> ProtocolAnswers:
    """Logits of the fine-tuned copy for every test sample.

    Raises:
        InvalidRequest: an option is wrong, nothing is held out for validation, or every learning rate diverged.
        ImageError: an image cannot be read any more.
    """
    settings = options.read(material.options)
    held_out = int(np.count_nonzero(material.held_out))
    if not 0 < held_out < len(material.train):
        raise InvalidRequest(
            "Fine-tuning needs training and validation samples. Give the data set a class with two or more training "
            "images."
        )
    made_from = search.made_from(material, settings)
    found = checkpoint.result(material.checkpoint, made_from)
    if found is None:
        found = search.Search(material, settings).run()
        checkpoint.finish(material.checkpoint, made_from, *found)
    logits, facts = found
    temperature = facts.pop("temperature")
    return ProtocolAnswers(logits, np.arange(len(material.test)), temperature, facts=facts)


FINE_TUNE = Protocol(
    id=options.ID,
    label="Fine-tuning",
    description="The whole encoder is trained by SGD with Nesterov momentum and cosine schedule; learning rate and "
    "weight decay chosen on validation samples (Kornblith et al. 2019).",
    version=1,
    seed_moves="answers",
    run=run,
    options=(*options.SearchOptions.__slots__, "grid"),
    check=options.read,
)
