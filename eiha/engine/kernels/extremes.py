"""Least and greatest of what is in a sliding window: a monotonic deque per group, all in one pool of nodes."""

from __future__ import annotations

from eiha.engine.jit import (
    ReadBool,
    ReadInt64,
    ReadNumber,
    ReadUInt8,
    WriteBool,
    WriteInt64,
    WriteNumber,
    inlined,
    kernel,
)


@inlined
def _free(node: int, node_next: WriteInt64, pool: WriteInt64) -> None:
    """Give a node back to the pool."""
    node_next[node] = pool[0]
    pool[0] = node


@inlined
def _forget(group: int, node_next: WriteInt64, heads: WriteInt64, tails: WriteInt64, pool: WriteInt64) -> None:
    """Empty a group's deque."""
    node = heads[group]
    while node != -1:
        following = node_next[node]
        _free(node, node_next, pool)
        node = following
    heads[group] = -1
    tails[group] = -1


@inlined
def _new_node(node_next: WriteInt64, pool: WriteInt64) -> int:
    """A node that nobody uses."""
    fresh = int(pool[0])
    if fresh == -1:
        fresh = int(pool[1])
        pool[1] += 1
    else:
        pool[0] = node_next[fresh]
    return fresh


@inlined
def _unlink(
    group: int,
    node: int,
    node_next: WriteInt64,
    node_previous: WriteInt64,
    heads: WriteInt64,
    tails: WriteInt64,
    pool: WriteInt64,
) -> None:
    """Take a node out of a group's deque."""
    before = node_previous[node]
    following = node_next[node]
    if before == -1:
        heads[group] = following
    else:
        node_next[before] = following
    if following == -1:
        tails[group] = before
    else:
        node_previous[following] = before
    _free(node, node_next, pool)


@inlined
def _take_in(
    group: int, value: float, is_max: bool, node_values: WriteNumber, node_next: WriteInt64, node_previous: WriteInt64,
    heads: WriteInt64, tails: WriteInt64, pool: WriteInt64,
) -> None:  # fmt: skip
    """A value comes: it drops the later ones that it beats and joins the end."""
    last = tails[group]
    while last != -1 and (node_values[last] < value if is_max else node_values[last] > value):
        before = node_previous[last]
        _free(last, node_next, pool)
        last = before
    fresh = _new_node(node_next, pool)
    node_values[fresh] = value
    node_next[fresh] = -1
    node_previous[fresh] = last
    tails[group] = fresh
    if last == -1:
        heads[group] = fresh
    else:
        node_next[last] = fresh


@inlined
def _let_go(
    group: int, value: float, node_values: WriteNumber, node_next: WriteInt64, node_previous: WriteInt64,
    heads: WriteInt64, tails: WriteInt64, pool: WriteInt64,
) -> None:  # fmt: skip
    """A value leaves: the first equal one goes."""
    node = heads[group]
    # as Java's equals: NaN is equal to itself
    is_nan = value != value
    while node != -1 and node_values[node] != value:
        if is_nan and node_values[node] != node_values[node]:
            break
        node = node_next[node]
    if node != -1:
        _unlink(group, node, node_next, node_previous, heads, tails, pool)


@kernel
def extreme_in_window(
    groups: ReadInt64,
    kinds: ReadUInt8,
    values: ReadNumber,
    valid: ReadBool,
    epochs: ReadInt64,
    is_max: bool,
    node_values: WriteNumber,
    node_next: WriteInt64,
    node_previous: WriteInt64,
    heads: WriteInt64,
    tails: WriteInt64,
    seen: WriteInt64,
    pool: WriteInt64,
    out: WriteNumber,
    out_valid: WriteBool,
) -> None:
    """A current row drops the later nodes that it beats and joins the end; an expired one drops the first equal node.

    ``pool``: [first free node or -1, nodes ever used]; the node arrays have room for one more node per row. Rows that
    leave in another order than they came give what Siddhi's deque gives.
    """
    for row in range(len(groups)):
        group = groups[row]
        if seen[group] != epochs[row]:
            seen[group] = epochs[row]
            _forget(group, node_next, heads, tails, pool)
        if valid[row]:
            if kinds[row] == 0:
                _take_in(
                    group, values[row], is_max, node_values, node_next, node_previous, heads, tails, pool
                )  # fmt: skip
            else:
                _let_go(group, values[row], node_values, node_next, node_previous, heads, tails, pool)
        head = heads[group]
        out_valid[row] = head != -1
        if head != -1:
            out[row] = node_values[head]


@kernel
def slide_extremes(
    groups: ReadInt64, values: ReadNumber, valid: ReadBool, has_nulls: bool, start: int, first: int, oldest: ReadInt64,
    is_max: bool, node_values: WriteNumber, node_next: WriteInt64, node_previous: WriteInt64, heads: WriteInt64,
    tails: WriteInt64, pool: WriteInt64, out: WriteNumber, out_valid: WriteBool,
) -> int:  # fmt: skip
    """As ``extreme_in_window`` over the rows of a sliding window, see ``sliding``; how many rows have no value."""
    nulls = 0
    for row in range(len(oldest)):
        while start < oldest[row]:
            if not has_nulls or valid[start]:
                _let_go(groups[start], values[start], node_values, node_next, node_previous, heads, tails, pool)
            start += 1
        position = first + row
        group = groups[position]
        if not has_nulls or valid[position]:
            _take_in(
                group, values[position], is_max, node_values, node_next, node_previous, heads, tails, pool
            )  # fmt: skip
        head = heads[group]
        out_valid[row] = head != -1
        if head != -1:
            out[row] = node_values[head]
        else:
            nulls += 1
    return nulls
