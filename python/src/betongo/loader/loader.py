"""Loader: FFCV's, on this package's engine."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto, unique
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _engine, _storage
from .._far import columns
from .._stream import LoaderStream, Out
from .._warn import warn
from ..errors import StateError
from ..pipeline.compiler import Compiler
from ..pipeline.graph import Graph, Split
from ..pipeline.pipeline_spec import PipelineSpec
from ..reader import Reader
from ..traversal_order import NamedOrder, QuasiRandom, Random, Sequential, TraversalOrder
from ..traversal_order.named import NAMES, EngineOrder
from .epoch_iterator import EpochIterator, Progress
from .names import refuse_unknown, unknown
from .program import Program
from .ranks import ranks
from .settings import fingerprint, native_order, order_sum, policy, positive, samples_of, verification
from .stored import Stored

if TYPE_CHECKING:
    from ..fields.base import Field
    from ..memory_managers.base import MemoryManager

__all__ = ["DEFAULT_OS_CACHE", "DEFAULT_PROCESS_CACHE", "Loader", "ORDER_MAP", "ORDER_TYPE", "OrderOption"]


@unique
class OrderOption(Enum):
    """FFCV's orders."""

    SEQUENTIAL = auto()
    RANDOM = auto()
    QUASI_RANDOM = auto()


ORDER_TYPE = OrderOption | type[TraversalOrder] | TraversalOrder | NamedOrder | str

ORDER_MAP: dict[OrderOption, type[TraversalOrder]] = {
    OrderOption.RANDOM: Random,
    OrderOption.SEQUENTIAL: Sequential,
    OrderOption.QUASI_RANDOM: QuasiRandom,
}

DEFAULT_PROCESS_CACHE = int(os.environ.get("FFCV_DEFAULT_CACHE_PROCESS", "0"))
DEFAULT_OS_CACHE = not DEFAULT_PROCESS_CACHE

_state_version = 1
_usual_ahead = 3


class Loader:
    """Batches of a .beton file: each iter() is an epoch, of tuples of arrays or tensors.

    The arguments up to order_kwargs are FFCV's.

    - fname: the file; or a URL (s3://, gs://, azblob://, https://), a pattern
      ("s3://bucket/train-*.beton"), or an index (.json): several files are one dataset. batch_size: samples
      in a batch. drop_last: leave out a last batch that is short.
    - num_workers: of the engine, less than 1 for all processors; it changes no batch. batches_ahead: how many
      batches are prepared in advance.
    - os_cache: map the file, which is good where it fits into memory or several processes read it; else
      pages are read, with at most `memory` bytes of them in memory, by default as many as order and batch
      want. The environment's FFCV_DEFAULT_CACHE_PROCESS=1 makes that the default. URLs are always read so,
      by default with 1 GiB or what order and batch want beyond that.
    - order: an OrderOption, a TraversalOrder class, or one of the engine's further orders, by name or as
      an object of betongo.traversal_order. order_kwargs are for its constructor.
    - seed: of the order and of what the engine draws. None: drawn from NumPy's global generator, but 0 for
      ranks that share an order that is not sequential.
    - indices: the samples to load.
    - distributed: share each epoch with other ranks: those of torch.distributed when that is initialised,
      else of the environment's RANK and WORLD_SIZE, else rank and world_size, which must not contradict what
      was found. Without distributed rank and world_size alone tell among whom the epoch is shared.
    - pipelines: for each output a list of operations, a PipelineSpec, or None for none. A field without an
      entry has its default decoder and ToTensor. custom_fields: the classes of a program's own.
    - recompile: make the functions of operations that run in Python anew for each epoch, not only when their
      attributes have changed.

    Beyond FFCV:

    - as_dict: batches are dicts. pin_memory: CPU tensors lie in pinned memory, where there is CUDA.
    - exactly_once: no sample comes twice where ranks don't divide an epoch.
    - on_error: what becomes of samples that can't be loaded: "fail"; "skip", where another of the batch takes
      their rows; or ("substitute", sample). max_failures of them one after another end an epoch even so (0:
      100). quarantine: samples not to be touched.
    - verify: "first_read" compares each value of the outputs' fields, and its metadata row, with its checksum
      before it is used for the first time. What differs is a sample that can't be loaded. UnsupportedError
      for a file without checksums. None: what was damaged and can still be decoded comes as it is.
    - max_pixels: images of more are samples that can't be loaded, and are not decoded.
    - storage_options: how URLs are reached, see `betongo.open`; memory there is that of here.
    - direct: read past the system's cache (files of the local disk). marks_file: where checkpoints of JPEGs
      are kept for later runs.
    - stats_file: where the engine's figures are put as JSON, about once a second while an epoch runs and at
      its end, for other processes to look at (`ffcv view --loader`); docs/stats.md tells what is in it.
      Loaders that run at the same time, ranks among them, need a file each.

    A batch never changes as long as anything holds it. Operations of Python run in a thread that works ahead,
    which ends with the loop. A loader may be pickled, and used after a fork; iterators are of one thread at a
    time, any number at once.

    Raises FileNotFoundError; FormatError; ValueError for what doesn't fit, unknown names with the nearest;
    TypeError for a pipeline that can't take what comes in; EngineError where the engine is missing or dead.
    """

    _only: str | None = None  # the output that is loaded, of all

    def __init__(
        self,
        fname: str | os.PathLike[str],
        batch_size: int,
        num_workers: int = -1,
        os_cache: bool = DEFAULT_OS_CACHE,
        order: ORDER_TYPE = OrderOption.SEQUENTIAL,
        distributed: bool = False,
        seed: int | None = None,
        indices: Sequence[int] | None = None,
        pipelines: Mapping[str, Any] = {},  # noqa: B006 (never changed)
        custom_fields: Mapping[str, type[Field]] = {},  # noqa: B006
        drop_last: bool = True,
        batches_ahead: int = _usual_ahead,
        recompile: bool = False,
        order_kwargs: Mapping[str, Any] = {},  # noqa: B006
        *,
        rank: int | None = None,
        world_size: int | None = None,
        as_dict: bool = False,
        exactly_once: bool = False,
        on_error: Any = "fail",
        max_failures: int = 0,
        quarantine: Sequence[int] | None = None,
        verify: str | None = None,
        memory: int | None = None,
        direct: bool = False,
        marks_file: str | os.PathLike[str] | None = None,
        stats_file: str | os.PathLike[str] | None = None,
        pin_memory: bool = False,
        max_pixels: int | None = None,
        storage_options: Mapping[str, Any] | None = None,
    ) -> None:
        self._seed_given = seed is not None
        self._args: dict[str, Any] = {k: v for k, v in locals().items() if k not in ("self", "__class__")}
        self.rank, self.world_size = ranks(distributed, rank, world_size)
        self.distributed: bool = bool(distributed) or self.world_size > 1
        self.seed: int = self._pick_seed(seed, order)
        self._args["seed"] = self.seed
        self.fname: str = _storage.local(os.fspath(fname))
        self._path = self.fname if _storage.is_url(self.fname) else os.path.abspath(self.fname)
        self._storage = _storage.settings(storage_options)
        self._args["storage_options"] = self._storage
        self._max_pixels: int = 0 if max_pixels is None else positive("max_pixels", max_pixels)
        self._verify: str = verification(verify)
        self.batch_size: int = positive("batch_size", batch_size)
        self.batches_ahead: int = positive("batches_ahead", batches_ahead)
        self.num_workers: int = int(num_workers) if num_workers >= 1 else os.cpu_count() or 1
        self.os_cache: bool = bool(os_cache)
        self.drop_last: bool = bool(drop_last)
        self.recompile: bool = recompile
        self.as_dict: bool = as_dict
        self.next_epoch: int = 0
        self.code: Program | None = None
        self._made: Any = None  # what code was made of
        self._progress: Progress | None = None
        self._running: Callable[[], EpochIterator | None] = lambda: None
        self._loaded: dict[str, Any] | None = None  # a state that goes with next_epoch
        self._resumed: LoaderStream | None = None  # its loader
        Compiler.set_num_threads(self.num_workers)

        self.reader = Reader(self.fname, custom_fields, storage_options=self._storage, memory=self._looking())
        self._stored = Stored(self.reader, self.os_cache)
        self.indices: np.ndarray = samples_of(indices, int(self.reader.num_samples))
        self.field_name_to_f_ix: dict[str, int] = {name: i for i, name in enumerate(self.reader.field_names)}
        self.pipeline_specs: dict[str, PipelineSpec] = self._specs(pipelines)
        self.graph = self._graph()
        self.traversal_order: TraversalOrder = self._order(order, dict(order_kwargs))
        self._begin()

    # What an epoch is made of.

    def _pick_seed(self, seed: int | None, order: Any) -> int:
        if seed is not None:
            if isinstance(seed, bool) or int(seed) != seed or not 0 <= int(seed) < 1 << 64:
                raise ValueError(f"seed is {seed!r}: want a whole number from 0 to 2**64-1")
            return int(seed)
        if self.distributed and not _is_sequential(order):
            warn("distributed=True and no seed: it is 0, as DistributedSampler has it; ranks need the same")
            return 0
        return int(np.random.randint(0, np.iinfo("int32").max))

    def _specs(self, pipelines: Mapping[str, Any]) -> dict[str, PipelineSpec]:
        """Return the outputs: fields in the file's order, further ones behind them."""
        fields = list(self.reader.handlers)
        given: dict[str, PipelineSpec] = {}
        for name, spec in pipelines.items():
            if isinstance(spec, PipelineSpec):
                spec = spec.copy()
            elif isinstance(spec, Sequence) and not isinstance(spec, (str, bytes)):
                spec = PipelineSpec(name, decoder=None, transforms=spec)
            elif spec is not None:
                raise ValueError(
                    f"output {name!r}: its pipeline is {spec!r}; "
                    "want a list of operations, a PipelineSpec, or None"
                )
            source = name if spec is None else spec.source
            if isinstance(source, str) and source not in fields:
                what = "field" if source == name else f"field of output {name!r}"
                raise ValueError(unknown(what, source, fields, self.fname))
            if spec is not None:
                given[name] = spec
        specs = {}
        for name in fields:
            if name in given:
                specs[name] = given.pop(name)
            elif name not in pipelines:
                specs[name] = PipelineSpec(name)
        specs.update(given)
        for name, spec in specs.items():
            Decoder = None
            if isinstance(spec.source, str):
                Decoder = self.reader.handlers[spec.source].get_decoder_class()
            spec.accept_decoder(Decoder, name)
        return specs

    def _graph(self) -> Graph:
        graph = Graph(
            self.pipeline_specs,
            self.reader.handlers,
            self.field_name_to_f_ix,
            columns(self.reader.file),
            self._stored.read,
            custom=frozenset(self._stored.custom()),
        )
        if self._only is not None:
            graph.keep(self._only)
        return graph

    def _order(self, order: Any, settings: dict[str, Any]) -> TraversalOrder:
        if isinstance(order, str):
            name = order.lower()
            if name.upper() in OrderOption.__members__:
                order = OrderOption[name.upper()]
            elif name in NAMES:
                order, settings = NAMES[name](**settings), {}
            else:
                raise ValueError(
                    unknown("order", order, [*(o.name.lower() for o in OrderOption), *NAMES], self.fname)
                )
        if isinstance(order, NamedOrder):
            return EngineOrder(self, order)
        if isinstance(order, Enum) and order.name in OrderOption.__members__:  # also FFCV's own
            order = ORDER_MAP[OrderOption[order.name]]
        if isinstance(order, TraversalOrder):
            return order(self) if callable(order) else order
        if isinstance(order, type) and issubclass(order, TraversalOrder):
            return order(self, **settings)
        raise ValueError(
            f"order is {order!r}: want an OrderOption, a subclass of TraversalOrder, or an order of "
            "betongo.traversal_order or its name"
        )

    def _begin(self) -> None:
        """Make the loader at the engine, and see that all pipelines fit."""
        self._first: Sequence[int] | np.ndarray | None = None
        self._given: int | None = None  # length of the first order, if it isn't the engine's
        self._empty = False
        native = native_order(self.traversal_order)
        if native is None:
            self._given = len(self.first_traversal_order)
        self._empty = self._short()
        split = self.graph.split()
        outputs = _outputs(split)
        self._length = len(self._selected(self.first_traversal_order)) if native is None else 0
        self._stream = self._open(native or self._given_order(), outputs)
        self._batches = self._stream.batches
        self._plan(split, self._stream.outputs)
        if self.code is not None and self.code.late:
            warn(
                f"{self.fname}: {'; '.join(self.code.late)} will run in Python, because of an operation "
                "of Python in front of it; in front of that the engine would do it"
            )

    def _given_order(self) -> dict[str, Any]:
        """Return the engine's name of an order that comes with each epoch."""
        return {"name": "given", "length": self._length}

    def _short(self) -> bool:
        """Whether an epoch has fewer samples than a batch, and these are dropped."""
        if self._given is not None:
            n = self._given
        elif isinstance(self.traversal_order, EngineOrder):
            return False
        else:
            n = -(-len(self.indices) // self.world_size)
        return n == 0 or self.drop_last and n < self.batch_size

    def _open(
        self,
        order: dict[str, Any],
        outputs: list[dict[str, Any]],
        drop_last: bool | None = None,
        state: dict[str, Any] | None = None,
    ) -> LoaderStream:
        """Make a loader of these samples at the engine."""
        a = self._args
        given = order["name"] == "given"
        if drop_last is None:
            drop_last = self.drop_last and not self._empty
        marks, figures = a["marks_file"], a["stats_file"]
        spec: dict[str, Any] = {
            "paths": [self._path],
            "batch_size": self.batch_size,
            "workers": max(int(a["num_workers"]), 0),
            "order": order,
            "seed": self.seed,
            "drop_last": drop_last,
            "batches_ahead": 0 if self.batches_ahead == _usual_ahead else self.batches_ahead,
            "rank": 0 if given else self.rank,
            "world": 1 if given else self.world_size,
            "exactly_once": bool(a["exactly_once"]),
            "memory": self._memory(),
            "direct": bool(a["direct"]),
            "marks_file": "" if marks is None else os.path.abspath(os.fspath(marks)),
            "stats_file": "" if figures is None else os.path.abspath(os.fspath(figures)),
            "on_error": policy(a["on_error"]),
            "max_failures": int(a["max_failures"]),
            "quarantine": [] if a["quarantine"] is None else [int(i) for i in a["quarantine"]],
            "verify": self._verify,
            "outputs": self._whole(outputs),
            "state": state,
            "max_pixels": self._max_pixels,
        }
        if self.reader.file.far:
            spec["storage"] = _storage.request(self._storage)
        if spec["verify"]:  # also what operations of Python read by themselves
            spec["verify_fields"] = sorted({node.source for node in self.graph.leaf_nodes.values()})
        custom = self._stored.custom()
        if custom:
            spec["custom"] = custom
        everything = given or a["indices"] is None
        return LoaderStream(
            _engine.Connector(_storage.program(self._path)), spec, None if everything else self.indices
        )

    def _memory(self) -> int:
        """Return how many bytes of pages are kept: 0 where the files are mapped, -1 where the engine finds
        out."""
        if self.os_cache and not _storage.is_url(self._path):
            return 0
        return int(self._args["memory"] or self._storage.get("memory", -1))

    def _looking(self) -> int:
        """Return the same for who looks into the dataset: so they share what is open."""
        return max(0, self._memory())

    def _whole(self, outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return outputs with those that the engine would otherwise add, disabled."""
        names = {o["name"] for o in outputs}
        return outputs + [{"name": f, "disabled": True} for f in self.reader.field_names if f not in names]

    def _plan(self, split: Split, outs: list[Out]) -> Program:
        """Return what the client does with such batches: what it did last time, unless something changed."""
        made = [repr(out) for out in outs], fingerprint(split)
        if self.code is None or self.recompile or made != self._made:
            self.code = self._program(split, outs)
            self._made = made
        return self.code

    def _program(self, split: Split, outs: list[Out], apart: bool = False) -> Program:
        return Program(
            self.graph,
            split,
            outs,
            file=self.fname,
            spare=self.batches_ahead + 3,
            stored=self._stored,
            indices_dtype=self.indices.dtype,
            pin=bool(self._args["pin_memory"]),
            apart=apart,
        )

    @property
    def memory_manager(self) -> MemoryManager:
        """FFCV's finder of stored bytes, for operations of Python that read them; the engine needs none."""
        return self._stored.manager(self.os_cache)

    def _selected(self, order: Any) -> np.ndarray:
        """Return what of an order comes in batches."""
        return np.asarray(order)[: len(self) * self.batch_size]

    # Epochs.

    def next_traversal_order(self) -> Sequence[int] | np.ndarray:
        """Return the order of the epoch that the next iter() begins: samples' numbers in the file."""
        return self.traversal_order.sample_order(self.next_epoch)

    @property
    def first_traversal_order(self) -> Sequence[int] | np.ndarray:
        """The order of epoch 0."""
        if self._first is None:
            self._first = self.traversal_order.sample_order(0)
        return self._first

    def __iter__(self) -> EpochIterator:
        """Begin an epoch, that of number next_epoch, which is then one more."""
        Compiler.set_num_threads(self.num_workers)
        epoch = self.next_epoch
        self.next_epoch += 1
        stream = self._stream_of(epoch)
        split = self.graph.split()
        outputs = _outputs(split)
        if self._empty:
            self._progress = Progress(epoch, stream)
            return EpochIterator(self, self._plan(split, stream.outputs), self._progress, None)
        order = None
        if self._given is not None:
            order = self._selected(self.traversal_order.sample_order(epoch))
            if stream is self._stream and len(order) != self._length:
                self._length = len(order)
                self._stream = stream = self._open(self._given_order(), outputs)
        slots = stream.epoch(epoch, self._whole(outputs), order)
        try:
            program = self._plan(split, slots.outputs)
            other = self._running()
            if other is not None and not other.closed and program.threaded:  # each its own operations
                program = self._program(split, slots.outputs, apart=True)
            program.begin(self.seed, epoch)
            self._progress = Progress(epoch, stream)
            it = EpochIterator(self, program, self._progress, slots)
        except BaseException:
            slots.close()
            raise
        self._running = weakref.ref(it)
        return it

    def _stream_of(self, epoch: int) -> LoaderStream:
        """Return the engine's loader for an epoch: for one that was interrupted, one that goes on there."""
        loaded, resumed = self._loaded, self._resumed
        self._loaded = self._resumed = None
        if loaded is None or resumed is None or loaded["epoch"] != epoch:
            return self._stream
        return resumed

    def __len__(self) -> int:
        if self._empty:
            return 0
        if self._given is None:
            return self._batches
        return self._given // self.batch_size if self.drop_last else -(-self._given // self.batch_size)

    def filter(self, field_name: str, condition: Callable[[Any], bool]) -> Loader:
        """Return a loader of those of this one's samples for which condition is true.

        condition is called once for each sample with its value of that output, as this loader's pipeline
        makes it.
        """
        args = dict(self._args)
        names = {*self.pipeline_specs, *self.reader.field_names}
        refuse_unknown("filter", [field_name], names, self.fname)
        pipelines = args["pipelines"]
        if pipelines.get(field_name, ()) is None:  # disabled
            pipelines = {name: spec for name, spec in pipelines.items() if name != field_name}
        args.update(pipelines=pipelines, order=OrderOption.SEQUENTIAL, order_kwargs={}, drop_last=False)
        args.update(distributed=False, rank=None, world_size=None, exactly_once=False, as_dict=False)
        one = _One(field_name, args)
        selected: list[int] = []
        batches = iter(one)
        try:
            for (batch,) in batches:
                selected.extend(i for i, value in zip(batches.ids.tolist(), batch) if condition(value))
        finally:
            batches.close()
            one.close()
        return Loader(**{**self._args, "indices": np.array(selected, self.indices.dtype)})

    # States.

    def state_dict(self) -> dict[str, Any]:
        """Return where the latest iteration is: how many batches of which epoch the loop got. It is plain
        JSON.

        After an epoch's end it is the beginning of the next one.
        """
        p = self._progress
        if p is None and self._loaded is not None:
            return dict(self._loaded)
        epoch, batches, stream = self.next_epoch, 0, self._stream
        if p is not None and not p.ended:
            epoch, batches, stream = p.epoch, p.given, p.stream
        state: dict[str, Any] = {"version": _state_version, "epoch": epoch, "seed": self.seed, "engine": None}
        if self._empty:
            return state
        state["engine"] = stream.state(epoch, batches)
        if batches == 0:
            state["engine"].pop("outputs", None)  # what an epoch's pipelines are is settled when it begins
        if self._given is not None:
            state["order"] = order_sum(self._selected(self.traversal_order.sample_order(epoch)))
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where a state was taken: the next iter() gives the batches of its epoch that the loop had
        not got.

        With the same ranks and batch size they are the same, bit for bit; with others what was left is
        shared out anew. A loader whose seed was not given takes that of the state. StateError says what
        doesn't fit.
        """
        version = state.get("version") if isinstance(state, Mapping) else None
        if version != _state_version or not isinstance(state.get("epoch"), int):
            raise StateError(
                f"{self.fname}: the state is of version {version!r}, this loader takes {_state_version}"
            )
        if not self._seed_given and state.get("seed") != self.seed:
            self.seed = int(state["seed"])
            self._args["seed"] = self.seed
            self.traversal_order = self._order(self._args["order"], dict(self._args["order_kwargs"]))
            self._begin()
        epoch, resumed = state["epoch"], None
        if state.get("engine") is not None and not self._empty:
            native = native_order(self.traversal_order)
            if native is None:
                order = self._selected(self.traversal_order.sample_order(epoch))
                if order_sum(order) != state.get("order"):
                    raise StateError(
                        f"{self.fname}: the order of epoch {epoch} is another than when the state was taken: "
                        f"its sum is {order_sum(order)} here, {state.get('order')} in the state"
                    )
                self._length = len(order)
                native = self._given_order()
            resumed = self._open(native, _outputs(self.graph.split()), state=dict(state["engine"]))
        self._loaded, self._resumed = dict(state), resumed
        self._progress = None
        self.next_epoch = epoch

    # What else it knows.

    @property
    def stats(self) -> dict[str, Any] | None:
        """Figures of the latest epoch, None before the first.

        epoch; batches that the loop got; ended; python: the time that operations of Python took; when it
        has ended the engine's figures too, the verdict among them. Times are in nanoseconds.
        """
        p = self._progress
        if p is None:
            return None
        ended = None if p.slots is None else p.slots.stats
        return {"epoch": p.epoch, "batches": p.given, "ended": p.ended, "python": p.python, **(ended or {})}

    @property
    def report(self) -> dict[str, Any] | None:
        """The engine's account of samples of the latest epoch that failed; None until it ended."""
        p = self._progress
        return None if p is None or p.slots is None else p.slots.report

    def replay(self, epoch: int, sample: int) -> tuple[Any, dict[str, Any]]:
        """Return a batch of one sample as it was, or will be, in an epoch, and how it comes about.

        sample is its number in the file.
        """
        how, slot = self._stream.replay(epoch, int(sample))
        program = self._program(self.graph.split(), self._stream.outputs, apart=True)
        program.begin(self.seed, epoch)
        outputs = program.hand_out(program.run(slot.ids, slot.columns))
        return dict(zip(program.names, outputs)) if self.as_dict else tuple(outputs), how

    def close(self) -> None:
        """End the loader at the engine. Batches stay as they are; a running iteration ends with an error."""
        for stream in (self._stream, self._resumed):
            if stream is not None:
                stream.close()

    def generate_code(self) -> None:
        """Make the functions of operations that run in Python anew, with the next epoch."""
        self._made = None

    def __getstate__(self) -> dict[str, Any]:
        loaded = self._loaded if self._progress is None else None
        # The connector brings this process's engine along to a child that is being spawned; the ranks are
        # this process's, whatever the child would find.
        ranks = {"distributed": False, "rank": self.rank, "world_size": self.world_size}
        return {
            "args": {**self._args, **ranks},
            "distributed": self.distributed,
            "only": self._only,
            "seed_given": self._seed_given,
            "next_epoch": self.next_epoch,
            "loaded": loaded,
            "connector": _engine.Connector(_storage.program(self._path)),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._only = state["only"]
        Loader.__init__(self, **state["args"])
        self.distributed = state["distributed"]
        self._seed_given = state["seed_given"]
        self.next_epoch = state["next_epoch"]
        if state["loaded"] is not None:
            self.load_state_dict(state["loaded"])

    def __repr__(self) -> str:
        return (
            f"<betongo.Loader of {self.fname!r}: {', '.join(self.pipeline_specs)}; "
            f"{len(self)} batches of {self.batch_size} out of {len(self.indices)} samples>"
        )


class _One(Loader):
    """A loader of one output of another one's."""

    def __init__(self, only: str, args: dict[str, Any]) -> None:
        self._only = only
        super().__init__(**args)


def _is_sequential(order: Any) -> bool:
    name = order if isinstance(order, str) else getattr(order, "name", None)
    return order is Sequential or isinstance(name, str) and name.lower() == "sequential"


def _outputs(split: Split) -> list[dict[str, Any]]:
    """Return the engine's outputs."""
    return [cut.spec() for cut in split.cuts]
