"""A network cut in two behind its still part: the part that neither learns nor draws, and whose output can be kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from contrast import heads, keyed
from contrast.freezing import hold_still, still_parts

_DRAWING = ("dropout", "rand", "bernoulli", "multinomial", "normal", "poisson", "exponential")
_DRAWING_MODULES = (nn.modules.dropout._DropoutNd, keyed.Dropout, nn.RReLU, nn.FractionalMaxPool2d, nn.FractionalMaxPool3d)


class NoCut(Exception):
    """The network can't be cut; says why."""


@dataclass(frozen=True)
class Cut:
    """A network in two: `rest(trunk(images))` is what it gives.

    Attributes:
        trunk: from images to features; it learns nothing and draws nothing.
        rest: from features to logits; its tensors are the network's own, under the same names.
        steps: what the trunk does, as text; with its tensors it says what features are.
    """

    trunk: nn.Module
    rest: nn.Module
    steps: str


def cut(model: nn.Module) -> Cut:
    """Cut a network behind its still part: where its forward pass can be traced, else before its head.

    Raises:
        NoCut: neither is possible; says why.
    """
    graph = _traced(model)
    if graph is None:
        return _cut_at_head(model)
    still = _still_nodes(model, graph)
    crossing = [node for node in still if node.op != "get_attr" and any(user not in still for user in node.users)]
    if len(crossing) != 1:
        raise NoCut(f"{len(crossing)} values cross from its frozen part to the rest")
    if crossing[0].op == "placeholder":
        raise NoCut("its first layers are trained")
    end, output = crossing[0], next(iter(reversed(graph.nodes)))
    trunk, rest = _part(model, graph, end, None), _part(model, graph, output, end)
    return Cut(trunk.eval(), rest, f"{trunk} {trunk.code}")


class _Tracer(fx.Tracer):
    """Looks into a module only where parts of it are trained."""

    def __init__(self, still: Iterable[nn.Module]) -> None:
        super().__init__()
        self.still = {id(module) for module in still}

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return id(m) in self.still or next(m.children(), None) is None or super().is_leaf_module(m, module_qualified_name)


def _traced(model: nn.Module) -> fx.Graph | None:
    """The steps of the forward pass, or None where it does things that can't be traced.

    Raises:
        NoCut: the steps are not the same in training and in evaluation.
    """
    before = [(module, module.training) for module in model.modules()]
    still = still_parts(model)
    graphs = []
    try:
        for training in (True, False):
            model.train(training)
            hold_still(still)
            graphs.append(_Tracer(still).trace(model))
    except Exception:  # whatever a foreign forward pass does with a tracer's stand-ins
        return None
    finally:
        for module, mode in before:
            module.training = mode
    first, second = ([node.format_node() for node in graph.nodes] for graph in graphs)
    if first != second:
        raise NoCut("it works differently in training outside of its modules")
    return graphs[0]


def _still_nodes(model: nn.Module, graph: fx.Graph) -> dict[fx.Node, None]:
    """The steps that depend on the image and on frozen tensors alone, and draw nothing; in order."""
    parts = {id(module) for module in still_parts(model)}
    found: dict[fx.Node, None] = {}
    for node in graph.nodes:
        if node.op != "output" and all(source in found for source in node.all_input_nodes) and _is_still(model, node, parts):
            found[node] = None
    return found


def _is_still(model: nn.Module, node: fx.Node, parts: set[int]) -> bool:
    target = node.target
    match node.op:
        case "get_attr":
            return not _attribute(model, str(target)).requires_grad
        case "call_module":
            module = model.get_submodule(str(target))
            return id(module) in parts or _has_no_state(module)
        case "call_function" | "call_method":
            name = target if isinstance(target, str) else getattr(target, "__name__", "")
            return not any(word in name.lower() for word in _DRAWING)
    return True


def _attribute(model: nn.Module, name: str) -> Tensor:
    found: Any = model
    for part in name.split("."):
        found = getattr(found, part)
    return found if isinstance(found, Tensor) else torch.empty(0)


def _has_no_state(module: nn.Module) -> bool:
    """Whether one of torch's layers holds nothing and draws nothing, and so gives the same in training as in evaluation."""
    if isinstance(module, _DRAWING_MODULES):
        return getattr(module, "p", None) == 0
    return type(module).__module__.startswith("torch.nn.") and not module.state_dict()


def _part(model: nn.Module, graph: fx.Graph, end: fx.Node, start: fx.Node | None) -> fx.GraphModule:
    """The steps that `end` needs, from the image on, or from `start` on, whose value is then what goes in."""
    needed, pending = {end}, [end]
    while pending:
        for source in pending.pop().all_input_nodes:
            if source not in needed and source is not start:
                needed.add(source)
                pending.append(source)
    made, copies = fx.Graph(), dict[fx.Node, fx.Node]()
    if start is not None:
        copies[start] = made.placeholder("features")
    for node in graph.nodes:
        if node in needed:
            copies[node] = made.node_copy(node, copies.__getitem__)
    if end.op != "output":
        made.output(copies[end])
    return fx.GraphModule(model, made)


class _BeforeHead(nn.Module):
    """What enters a network's head."""

    def __init__(self, model: nn.Module, place: str) -> None:
        super().__init__()
        self.model, self.place = model, place

    def forward(self, images: Tensor) -> Tensor:
        entered: list[Tensor] = []
        hook = self.model.get_submodule(self.place).register_forward_pre_hook(lambda module, inputs: entered.append(*inputs))
        try:
            self.model(images)
        finally:
            hook.remove()
        return entered[0]


class _Head(nn.Module):
    """A network's head alone, under its own name."""

    def __init__(self, model: nn.Module, place: str) -> None:
        super().__init__()
        holder: nn.Module = self
        *way, last = place.split(".")
        for name in way:
            inner = nn.Module()
            holder.add_module(name, inner)
            holder = inner
        holder.add_module(last, model.get_submodule(place))
        self.place = place

    def forward(self, features: Tensor) -> Tensor:
        return self.get_submodule(self.place)(features)  # type: ignore[no-any-return]


def _cut_at_head(model: nn.Module) -> Cut:
    """Cut before the head, where nothing else is trained or draws, and what leaves the head is what the network gives."""
    places = heads.names(model)
    if len(places) != 1:
        raise NoCut("its forward pass can't be traced, and it has no one head")
    head = model.get_submodule(places[0])
    own = {id(parameter) for parameter in head.parameters()}
    if any(parameter.requires_grad and id(parameter) not in own for parameter in model.parameters()):
        raise NoCut("its forward pass can't be traced, and more than the head is trained")
    inside = {id(module) for part in (head, *still_parts(model)) for module in part.modules()}
    moving = [name for name, m in model.named_modules() if id(m) not in inside and next(m.children(), None) is None and not _has_no_state(m)]
    if moving:
        raise NoCut(f"its forward pass can't be traced, and {moving[0]!r} may draw")
    return Cut(_BeforeHead(model, places[0]), _Head(model, places[0]), f"{model} before {places[0]}")


def ends_with_head(model: nn.Module, two: Cut, image: Tensor) -> bool:
    """Whether the two parts do what the whole does, on an image, in training mode as in evaluation."""
    modes = [(module, module.training) for module in model.modules()]
    still = still_parts(model)
    try:
        with torch.no_grad():
            model.eval()
            whole, before = model(image), two.trunk(image)
            same = bool(torch.equal(two.rest(before), whole)) if image.device.type != "meta" else True
            model.train()
            two.rest.eval()
            hold_still(still)
            return same and (image.device.type == "meta" or bool(torch.equal(two.trunk(image), before)))
    finally:
        for module, mode in modes:
            module.training = mode
