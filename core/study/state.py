"""The state of a study while it runs: what could be opened, what is known of each cell, what is left to do."""

import contextlib
import hashlib
import json
from dataclasses import replace
from typing import Any

import pyarrow as pa

from core.datasets.address import open_address
from core.datasets.spec import ImageSet
from core.encoders.files import weights
from core.encoders.registry import encoder_spec
from core.encoders.spec import EncoderSpec
from core.errors import Cancelled, DataUnavailable, InvalidRequest, InvariscopeError
from core.results import writing
from core.study import cells, distances, features, manifest
from core.study.cells import Cell
from core.study.engines.base import Pair, Setup
from core.study.features import Features


class Work:
    """What a run knows of its study. Nothing that an earlier run finished is forgotten, whatever is absent today."""

    def __init__(self, setup: Setup, engine: str, before: dict[str, Any], asked: tuple[str, ...]) -> None:
        """Open the data sets of a plan.

        Args:
            engine: its id, for the manifest.
            before: the manifest of an earlier run; empty for a new study.
            asked: the addresses of this run's own plan; one of these takes the place of an older one of the same id.

        Raises:
            InvalidRequest: two data sets have one id.
            DataUnavailable: none can be opened.
        """
        self.engine, self.before = engine, before
        self.sets: dict[str, ImageSet] = {}
        self.unopened: dict[str, str] = {}
        self.encoders: dict[str, dict[str, Any]] = {}
        self.states: dict[Cell, dict[str, Any]] = {}
        self.keys: dict[Cell, str] = {}
        self.tables: list[pa.Table] = []
        self.distances = str(before.get("distances", ""))  # hash of their file
        self.distances_key: str | None = None
        self.shipped: dict[str, tuple[str, Features]] = {}  # by encoder, where no set is the source
        given: dict[str, str] = {}  # address by id
        for address in setup.plan.datasets:
            try:
                images = open_address(address, setup.data)
            except Cancelled:
                raise
            except InvariscopeError as error:
                self.unopened[address] = str(error)
                continue
            id = images.spec.id
            if id in given and (given[id] in asked or address not in asked):
                raise InvalidRequest(
                    f"Two data sets are called '{id}': give one another name with '?id=…' in its address."
                )
            given[id], self.sets[id] = address, images
        if not self.sets:
            raise DataUnavailable(" ".join(self.unopened.values()))
        kept = tuple(a for a in setup.plan.datasets if a in self.unopened or a in given.values())
        self.setup = replace(setup, plan=replace(setup.plan, datasets=kept))
        self.reference = next((s for s in self.sets.values() if s.spec.domain == "source"), None)
        self.datasets = self._absent() | {id: manifest.dataset_entry(images) for id, images in self.sets.items()}

    def _absent(self) -> dict[str, dict[str, Any]]:
        """What an earlier run knew of the sets that cannot be opened today; their finished cells are kept."""
        found = {
            id: entry
            for id, entry in self.before.get("datasets", {}).items()
            if entry["address"] in self.unopened and id not in self.sets
        }
        for entry in self.before.get("cells", {}).values():
            if entry["dataset"] in found and entry["state"] == "done":
                cell = Cell(**{name: entry[name] for name in Cell.__slots__ if name in entry})
                self.states[cell] = {name: entry[name] for name in ("state", "facts", "sha256") if name in entry}
        return found

    def pairs(self) -> list[Pair]:
        """The work that is left, encoder by encoder; fills the states of all cells."""
        found, absent = [], {}
        for id in self.setup.plan.encoders:
            spec = encoder_spec(id)
            try:
                weights.fetch(spec.weights)
                sha256 = weights.verify(spec.weights)
            except Cancelled:
                raise
            except InvariscopeError as error:
                # What was measured with these weights stays measured.
                absent[id], sha256 = str(error), str(self.before.get("encoders", {}).get(id, {}).get("weights", ""))
            self.encoders[id] = manifest.encoder_entry(spec, sha256)
        self._check_distances()
        for id, entry in self.encoders.items():
            for images in self.sets.values():
                waiting = self._sort(id, encoder_spec(id), entry["weights"], images, absent.get(id, ""))
                # Distances need the features of all sets, of those whose cells are done too.
                if id not in absent and (waiting or self.distances_key is not None):
                    found.append(Pair(id, images, tuple(waiting)))
        return found

    def _sort(self, id: str, spec: EncoderSpec, sha256: str, images: ImageSet, absent: str) -> list[Cell]:
        """The cells of a pair that are to be run; the others are done, or fail for want of the encoder."""
        waiting = []
        for cell in cells.cells_of(self.setup.plan, id, images):
            self.keys[cell] = cells.key_of(cell, self.setup.plan, spec, sha256, images)
            done = self._stored(cell)
            if done is not None:
                self.states[cell] = done
            elif absent:
                self.states[cell] = {"state": "failed", "reason": absent}
            else:
                self.states[cell] = {"state": "waiting"}
                waiting.append(cell)
        return waiting

    def _stored(self, cell: Cell) -> dict[str, Any] | None:
        """What the manifest says of a cell that is done, whole and made from what the plan says; None otherwise."""
        known = self.before.get("cells", {}).get(cell.id, {}).get("sha256", {})
        hashes: dict[str, str] = {}
        facts: dict[str, Any] = {}
        for folder in cell.folders(self.setup.plan.logits):
            stored, hashes[folder] = writing.stored(
                f"{self.setup.out}/{folder}/{cell.id}.parquet", known.get(folder, "")
            )
            if stored.get("key") != self.keys[cell]:
                return None
            facts |= stored.get("facts", {})
        return {"state": "done", "facts": facts, "sha256": hashes}

    def _check_distances(self) -> None:
        """Decide whether the distances on disk are those of these encoders and sets."""
        if self.reference is None:
            found = {id: distances.shipped(id, entry["weights"]) for id, entry in self.encoders.items()}
            self.shipped = {id: reference for id, reference in found.items() if reference is not None}
        if not self.shipped and (self.reference is None or len(self.sets) < 2):
            return
        facts = {
            "version": distances.VERSION,
            "reference": self.reference.spec.id
            if self.reference
            else {id: name for id, (name, _) in self.shipped.items()},
            "sets": {id: images.fingerprint for id, images in self.sets.items()},
            "encoders": {id: entry["weights"] for id, entry in self.encoders.items()},
        }
        key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
        stored, sha256 = writing.stored(f"{self.setup.out}/distances.parquet", self.distances)
        self.distances = sha256 or self.distances
        # While a set is absent the distances that include it stand.
        if not self.unopened and stored.get("key") != key:
            self.distances_key = key

    def measure(self, encoder: str) -> None:
        """Add the distances of all sets from the reference in an encoder's features.

        Where features are missing the file gets no key, and the next run measures again.
        """
        found = {}
        for id, images in self.sets.items():
            key = features.key(encoder_spec(encoder), self.encoders[encoder]["weights"], images, "test")
            features_there = features.read(features.place_of(self.setup.cache, key))
            if features_there is not None:
                found[id] = features_there
        if len(found) < len(self.sets):
            self.distances_key = ""
        reference = self.shipped.get(encoder)
        if self.reference is not None and (id := self.reference.spec.id) in found:
            reference = id, found[id]
        if reference is not None:
            # Features that are not finite fail their cells; the distances of the other encoders stand.
            with contextlib.suppress(DataUnavailable):
                self.tables.append(distances.measure(encoder, reference, found))

    def write(self) -> None:
        """Write plan and manifest."""
        manifest.write(
            self.setup.out,
            self.setup.plan,
            self.encoders,
            self.datasets,
            self.states.items(),
            self.engine,
            self.unopened,
            self.distances,
        )

    def count(self, *states: str) -> int:
        """How many cells are in one of these states."""
        return sum(entry["state"] in states for entry in self.states.values())
