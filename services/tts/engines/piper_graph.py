"""An exported VITS voice in two: phonemes to latent, latent to audio.

A voice is one ONNX graph that gives a sentence when the sentence is whole. Its decoder, nearly all of the work, sees a
few frames to either side only, so that it can run piece by piece, once there is a graph of it alone. Here a model is
read and written at the level of protobuf's wire format (onnx.proto gives the field numbers), since what a service runs
on need not bring the onnx package along: weights are passed on as bytes, whatever is in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

_VARINT, _BYTES = 0, 2
_FIXED_SIZES = {1: 8, 5: 4}
_MODEL_GRAPH = 7
_GRAPH_NODE, _GRAPH_WEIGHT, _GRAPH_INPUT, _GRAPH_OUTPUT, _GRAPH_SPARSE_WEIGHT = 1, 5, 11, 12, 15
_WEIGHTS = (_GRAPH_WEIGHT, _GRAPH_SPARSE_WEIGHT)
_ATTRIBUTE_GRAPHS = (6, 11)
_TENSOR_NAME, _SPARSE_VALUES, _VALUE_NAME, _VALUE_TYPE = 8, 1, 1, 2
_FLOAT_TENSOR = b"\x0a\x0a\x08\x01\x12\x06\x0a\x00\x0a\x00\x0a\x00"
"""A TypeProto: tensor_type { elem_type: FLOAT shape { dim {} dim {} dim {} } }, which is batch, channels, frames."""

TEXT_INPUTS = ("input", "input_lengths", "scales")
"""What a Piper voice is given of a text, by name; a voice of several speakers has `sid` besides."""
_DURATION_KIND, _UPSAMPLING_KIND = "Ceil", "ConvTranspose"


class NotSplittable(Exception):
    """The graph has no place where text ends and sound begins, or is no graph this module can read."""


@dataclass(frozen=True, slots=True)
class _Field:
    number: int
    value: memoryview
    """Contents of a field with a length; empty for numbers."""
    raw: memoryview
    """The field as it stands, tag included."""


@dataclass(frozen=True, slots=True)
class _Node:
    kind: str
    inputs: tuple[str, ...]
    """With what its subgraphs take from outside."""
    outputs: tuple[str, ...]
    raw: memoryview


@dataclass(frozen=True, slots=True)
class Graph:
    """A model that was read."""

    head: tuple[memoryview, ...]
    """Fields of the model beside its graph: versions, operator sets."""
    nodes: tuple[_Node, ...]
    """In an order in which each follows what it needs, as ONNX prescribes."""
    weights: dict[str, memoryview]
    inputs: dict[str, memoryview]
    outputs: dict[str, memoryview]

    @property
    def duration(self) -> str:
        """The tensor with the frames of each phoneme id: what the one Ceil gives. Empty where there is none, or two."""
        found = [node.outputs[0] for node in self.nodes if node.kind == _DURATION_KIND]
        return found[0] if len(found) == 1 else ""

    @property
    def audio(self) -> str:
        """The first output."""
        return next(iter(self.outputs))


def read_graph(model: bytes) -> Graph:
    """Return the graph of a serialised ONNX model. Raises NotSplittable where it cannot be read."""
    try:
        fields = list(_fields(memoryview(model)))
        (graph,) = [entry.value for entry in fields if entry.number == _MODEL_GRAPH]
        head = tuple(entry.raw for entry in fields if entry.number != _MODEL_GRAPH)
        return _graph(head, list(_fields(graph)))
    except (IndexError, KeyError, ValueError) as error:
        raise NotSplittable("not an ONNX model that can be read") from error


def latents(graph: Graph) -> list[str]:
    """Return the tensors through which all that depends on the text passes on its way to the audio, in order.

    Only such as have the durations before them and all upsampling behind: the first is what feeds the decoder. Found by
    the graph alone, since names differ between exports. Raises NotSplittable where there is none.
    """
    relevant = _between(graph, TEXT_INPUTS, graph.audio)
    last_use = {name: place for place, node in enumerate(relevant) for name in node.inputs}
    live = set(TEXT_INPUTS) & set(last_use)
    found: list[str] = []
    is_timed = False
    for place, node in enumerate(relevant):
        if node.kind == _UPSAMPLING_KIND:
            break
        is_timed |= node.kind == _DURATION_KIND
        live = {name for name in live if last_use[name] > place}
        live.update(name for name in node.outputs if last_use.get(name, -1) > place)
        if is_timed and len(live) == 1:
            found += live
    else:
        raise NotSplittable("nothing in the graph upsamples")
    if not found:
        raise NotSplittable("no tensor of the graph separates text from sound")
    return found


def cut(graph: Graph, outputs: Sequence[str], given: str = "") -> bytes:
    """Return the model that computes `outputs`, with the tensor `given` as a (float) input instead of what makes it.

    Raises NotSplittable where that still needs the text.
    """
    needed = _needed(graph, outputs, given)
    used = {name for node in needed for name in node.inputs}
    inputs: list[bytes | memoryview] = [raw for name, raw in graph.inputs.items() if name in used]
    if given:
        if not used.isdisjoint(TEXT_INPUTS):
            raise NotSplittable("the decoder depends on the text in another way than through its input")
        inputs.append(_value(given, _FLOAT_TENSOR, _GRAPH_INPUT))
    weights = [raw for name, raw in graph.weights.items() if name in used or name in outputs]
    asked = [graph.outputs.get(name) or _value(name, b"", _GRAPH_OUTPUT) for name in outputs]
    name = _delimited(2, b"part")
    body = b"".join([*(node.raw for node in needed), name, *weights, *inputs, *asked])
    return b"".join([*graph.head, _delimited(_MODEL_GRAPH, body)])


def _between(graph: Graph, sources: Iterable[str], target: str) -> list[_Node]:
    """Return the nodes on any way from `sources` to `target`."""
    reached = set(sources)
    forward: list[_Node] = []
    for node in graph.nodes:
        if not reached.isdisjoint(node.inputs):
            reached.update(node.outputs)
            forward.append(node)
    wanted = {target}
    both: list[_Node] = []
    for node in reversed(forward):
        if not wanted.isdisjoint(node.outputs):
            wanted.update(node.inputs)
            both.append(node)
    return both[::-1]


def _needed(graph: Graph, outputs: Sequence[str], given: str) -> list[_Node]:
    wanted = set(outputs)
    kept: list[_Node] = []
    for node in reversed(graph.nodes):
        made = wanted.intersection(node.outputs)
        if made - {given}:
            wanted.update(node.inputs)
            kept.append(node)
    return kept[::-1]


def _graph(head: tuple[memoryview, ...], fields: list[_Field]) -> Graph:
    weights = {_weight_name(entry): entry.raw for entry in fields if entry.number in _WEIGHTS}
    return Graph(
        head=head,
        nodes=tuple(_node(entry) for entry in fields if entry.number == _GRAPH_NODE),
        weights=weights,
        inputs={
            name: entry.raw
            for entry in fields
            if entry.number == _GRAPH_INPUT and (name := _text(entry.value, _VALUE_NAME)) not in weights
        },
        outputs={_text(entry.value, _VALUE_NAME): entry.raw for entry in fields if entry.number == _GRAPH_OUTPUT},
    )


def _weight_name(entry: _Field) -> str:
    if entry.number == _GRAPH_WEIGHT:
        return _text(entry.value, _TENSOR_NAME)
    values = next(inner.value for inner in _fields(entry.value) if inner.number == _SPARSE_VALUES)
    return _text(values, _TENSOR_NAME)


def _node(entry: _Field) -> _Node:
    inputs: list[str] = []
    outputs: list[str] = []
    kind = ""
    for inner in _fields(entry.value):
        match inner.number:
            case 1:
                inputs.append(str(inner.value, "utf-8"))
            case 2:
                outputs.append(str(inner.value, "utf-8"))
            case 4:
                kind = str(inner.value, "utf-8")
            case 5:
                inputs += _taken_from_outside(inner.value)
    return _Node(kind, tuple(filter(None, inputs)), tuple(filter(None, outputs)), entry.raw)


def _taken_from_outside(attribute: memoryview) -> list[str]:
    """Return all names that the subgraphs of an attribute use; those of their own are unknown outside, and harmless."""
    return [
        name
        for entry in _fields(attribute)
        if entry.number in _ATTRIBUTE_GRAPHS
        for inner in _fields(entry.value)
        if inner.number == _GRAPH_NODE
        for name in _node(inner).inputs
    ]


def _text(message: memoryview, number: int) -> str:
    return next(str(entry.value, "utf-8") for entry in _fields(message) if entry.number == number)


def _fields(message: memoryview) -> Iterator[_Field]:
    at = 0
    while at < len(message):
        begin = at
        tag, at = _varint(message, at)
        wire = tag & 7
        value = message[:0]
        if wire == _VARINT:
            _, at = _varint(message, at)
        elif wire == _BYTES:
            size, at = _varint(message, at)
            value = message[at : at + size]
            if len(value) != size:
                raise ValueError("cut short")
            at += size
        else:
            at += _FIXED_SIZES[wire]
        yield _Field(tag >> 3, value, message[begin:at])


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _delimited(number: int, contents: bytes) -> bytes:
    return _number(number << 3 | _BYTES) + _number(len(contents)) + contents


def _number(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _value(name: str, kind: bytes, number: int) -> bytes:
    """Return a ValueInfoProto as a field of a graph."""
    typed = _delimited(_VALUE_TYPE, kind) if kind else b""
    return _delimited(number, _delimited(_VALUE_NAME, name.encode()) + typed)
