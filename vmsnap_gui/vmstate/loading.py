"""From a section's tree to plain values (those of `values`): what QEMU's vmstate_load_state leaves behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmsnap_gui.vmstate.asking import known
from vmsnap_gui.vmstate.description import Pointers, field_names
from vmsnap_gui.vmstate.fields import Field, Kind
from vmsnap_gui.vmstate.values import LISTS, MARKER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vmsnap_gui.vmstate.description import Tree, VMStateDescription, VMStateField
    from vmsnap_gui.vmstate.entering import Entered, Entrances


def values_of(
    nodes: Iterable[Field], description: VMStateDescription, entrances: Entrances | None = None
) -> dict[str, Tree]:
    """Return the values of decoded fields, without savevm's own bytes.

    Args:
        nodes: The fields.
        description: The general one.
        entrances: Of their loading: what the stream lacks keeps its value from before, and post_load is called once
            for each description.

    Raises:
        StreamError: by a post_load that refuses the values.
    """
    return _Loader(iter(entrances) if entrances is not None else None).description(nodes, description)


class _Loader:
    def __init__(self, entered: Iterator[Entered] | None) -> None:
        self._entered = entered

    def description(self, nodes: Iterable[Field], description: VMStateDescription) -> dict[str, Tree]:
        """Return the values of one description, entered in the order in which `resolving` enters them."""
        entered = next(self._entered) if self._entered is not None else None
        fields = dict(zip(field_names(description.fields), description.fields, strict=True))
        subsections = {subsection.name: subsection for subsection in description.subsections}
        found = dict(entered.values) if entered is not None else {}
        is_old = entered is not None and entered.is_old
        for node in nodes:
            if node.kind is Kind.SUBSECTION:
                found[node.name] = self.description(node.children, subsections[node.name])
            elif node.kind is not Kind.FRAME:
                field = None if is_old else fields.get(node.name)
                found[node.name] = _old_value(node) if field is None else self._value(node, field)
        if entered is not None and description.post_load is not None and not is_old:
            description.post_load({**known(found), **found}, entered.version)
        return found

    def _value(self, node: Field, field: VMStateField) -> Tree:
        if field.type in LISTS:
            return self._marked(node, field)
        if field.type == "gtree" and field.nested:
            return self._nodes(node, field)
        if node.kind is Kind.ARRAY:
            items = [self._value(child, field) for child in node.children if child.kind is not Kind.FRAME]
            # the marker of a single pointer makes it look like an array of one
            return items[0] if field.pointers is Pointers.MARKED and not field.is_array else items
        return self.description(node.children, field.nested[0]) if node.kind is Kind.STRUCT else node.value

    def _marked(self, node: Field, field: VMStateField) -> list[Tree]:
        """Return the elements of a list."""
        return [{**marker, **self.description(item.children, field.nested[0])} for marker, item in _with_markers(node)]

    def _nodes(self, node: Field, field: VMStateField) -> list[Tree]:
        """Return the nodes of a gtree."""
        items: list[Tree] = []
        *keys, described = field.nested
        for marker, item in _with_markers(node):
            key, value = item.children
            found: Tree = self.description(key.children, keys[0]) if keys else key.value
            items.append({**marker, "key": found, "value": self.description(value.children, described)})
        return items


def _with_markers(node: Field) -> Iterator[tuple[dict[str, Tree], Field]]:
    """Yield each element of a list, with the byte before it as a value where that is not 1."""
    marker: Tree = 1
    for child in node.children:
        if child.kind is not Kind.FRAME:
            yield {} if marker == 1 else {MARKER: marker}, child
        elif isinstance(child.value, bytes):
            marker = child.value[-1]


def _old_value(node: Field) -> Tree:
    """Return the value of what load_state_old read, which is not among the description's fields."""
    inner = [child for child in node.children if child.kind is not Kind.FRAME]
    if node.kind is Kind.ARRAY:
        return [_old_value(child) for child in inner]
    if node.kind is Kind.STRUCT:
        return {child.name: _old_value(child) for child in inner}
    return node.value
