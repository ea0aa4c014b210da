"""The whole of fine-tuning: try the grid on validation samples, train the best on all, answer for the test samples."""

import time
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from core.encoders import preprocess
from core.encoders.encoder import Encoder
from core.errors import InvalidRequest
from core.metrics.calibration import fit_temperature
from core.study.protocols.base import Material
from core.study.protocols.finetuning import checkpoint, pixels, rules
from core.study.protocols.finetuning.checkpoint import SearchState
from core.study.protocols.finetuning.options import ID, Member, SearchOptions
from core.study.protocols.finetuning.pixels import Pixels
from core.study.protocols.finetuning.rules import Check
from core.study.protocols.finetuning.training import Samples, TrainingRun

SAVE_EVERY = 100  # steps between two checkpoints, at most; every check is one too


def made_from(material: Material, options: SearchOptions) -> str:
    """What tells one search from another in the same folder."""
    return repr((options, material.seed, len(material.train), int(material.held_out.sum()), len(material.test)))


class Search:
    """One search, from wherever its last checkpoint left it."""

    def __init__(self, material: Material, options: SearchOptions) -> None:
        """Read the pixels of training and validation, and the last checkpoint.

        Raises:
            ImageError: an image has become unreadable.
        """
        self.material, self.options = material, options
        self.encoder: Encoder = material.encoder()
        self.folder = material.checkpoint
        self.made_from = made_from(material, options)
        recipe = self.encoder.spec.preprocessing
        where = pixels.places(material.images, material.train.ids)
        held_out = np.flatnonzero(material.held_out)
        side = pixels.training_side(recipe)
        crop = partial(pixels.training_crop, recipe=recipe)
        self.training = pixels.read(where, side, crop, self.folder / "training.npy")
        self.validation = self._seen([where[i] for i in held_out], "validation")
        self.truth = material.train.labels[held_out]
        self.state = self._load()
        self.clock = time.perf_counter()

    def _seen(self, where: list[pixels.Place], name: str) -> Pixels:
        """The encoder's own crops."""
        recipe = self.encoder.spec.preprocessing
        crop = partial(preprocess.model_crop, recipe=recipe)
        return pixels.read(where, recipe.size, crop, self.folder / f"{name}.npy")

    def _load(self) -> SearchState:
        found = checkpoint.load(self.folder, self.made_from, self.encoder.device)
        return found or SearchState(self.made_from, self.options.batch)

    def _save(self, run: TrainingRun | None, curve: list[Check]) -> None:
        now = time.perf_counter()
        self.state.seconds += now - self.clock
        self.clock = now
        self.state.run = run.state() if run else None
        self.state.curve = [(check.step, check.top1, check.loss) for check in curve]
        checkpoint.save(self.folder, self.state)

    def _start(self, member: Member, chosen: NDArray[np.bool_]) -> tuple[TrainingRun, list[Check]]:
        """A run of a member on the chosen samples, and its checks so far; from the checkpoint if that is inside it."""
        samples = Samples(self.training, self.material.train.labels, np.flatnonzero(chosen), self.material.seed)
        run = TrainingRun(self.encoder, self.material.classes, member, self.options, samples)
        if self.state.run is not None:
            run.restore(self.state.run)
            self.state.run = None
        return run, [Check(*row) for row in self.state.curve]

    def _leader(self) -> list[Check]:
        """The checks of the best member so far."""
        return (
            [Check(*row) for row in self.state.finished[self.state.leader]["curve"]] if self.state.leader >= 0 else []
        )

    def _asked(self, run: TrainingRun) -> NDArray[np.float32]:
        return run.logits(self.validation, len(self.truth), 2 * self.state.micro)

    def _try(self, member: Member) -> None:
        """Take a member to its end, and into the lead if it deserves it."""
        options, leader = self.options, self._leader()
        run, curve = self._start(member, ~self.material.held_out)
        ended: rules.Ending | None = None
        while ended is None:
            ended = rules.ending(curve, leader, options.steps, options.patience, len(self.truth))
            if ended is None and run.step == options.steps:
                ended = "complete"
            if ended is None:
                run.advance(self.state.micro)
                checked = rules.is_check(run.step, options.steps)
                if checked:
                    curve.append(rules.check(run.step, self._asked(run), self.truth))
                if checked or run.step % SAVE_EVERY == 0:
                    self._save(run, curve)
        if ended == "complete" and rules.leads(curve, leader):
            self.state.leader = len(self.state.finished)
            self.state.validation = torch.from_numpy(self._asked(run))
        record = {"rate": member.rate, "decay": member.decay, "steps": run.step, "ended": ended}
        self.state.finished.append(record | {"curve": [(check.step, check.top1, check.loss) for check in curve]})
        self._save(None, [])

    def _train_again(self, member: Member) -> NDArray[np.float32]:
        """Test logits of the member after a whole schedule on training and validation samples."""
        where = pixels.places(self.material.images, self.material.test.ids)
        test = self._seen(where, "test")
        run, _ = self._start(member, np.ones(len(self.material.train), dtype=bool))
        while run.step < self.options.steps:
            run.advance(self.state.micro)
            if run.step % SAVE_EVERY == 0 or run.step == self.options.steps:
                self._save(run, [])
        logits = run.logits(test, len(where), 2 * self.state.micro)
        if not np.isfinite(logits).all():
            raise InvalidRequest(
                f"Fine-tuning diverged at learning rate {member.rate:g} on training and validation samples together. "
                f"Lower 'rates' in the options of {ID}."
            )
        return logits

    def _with_room(self, work: Any, member: Member) -> Any:
        """What `work` gives; a GPU without room for a piece of a batch goes on from the last checkpoint with half."""
        while True:
            try:
                return work(member)
            except torch.cuda.OutOfMemoryError:
                if self.state.micro == 1:
                    raise
                half = self.state.micro // 2
            # Outside the handler, whose traceback keeps the tensors that were in the way.
            if self.encoder.device.type == "cuda":
                torch.cuda.empty_cache()
            self.state = self._load()
            self.state.micro = half

    def run(self) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Test logits (M, C), and what was found on the way.

        Raises:
            InvalidRequest: every member diverged.
        """
        members = self.options.members
        for member in members[len(self.state.finished) :]:
            self._with_room(self._try, member)
        if self.state.leader < 0:
            raise InvalidRequest(f"Fine-tuning diverged at every learning rate. Lower 'rates' in the options of {ID}.")
        member = members[self.state.leader]
        logits = self._with_room(self._train_again, member)
        return logits, self._facts(member)

    def _facts(self, member: Member) -> dict[str, Any]:
        assert self.state.validation is not None
        validation = self.state.validation.cpu().numpy()
        records = []
        for record in self.state.finished:
            top1 = rules.best([Check(*row) for row in record["curve"]]).top1
            records.append({name: record[name] for name in ("rate", "decay", "steps", "ended")} | {"top1": top1})
        return {
            **asdict(member),
            "steps": self.options.steps,
            "batch": self.options.batch,
            "micro_batch": self.state.micro,
            "temperature": fit_temperature(validation, self.truth),
            "validation_top1": float((validation.argmax(axis=1) == self.truth).mean()),
            "members": records,
            "steps_in_all": sum(record["steps"] for record in records) + self.options.steps,
            "training_seconds": round(self.state.seconds, 3),
        }
