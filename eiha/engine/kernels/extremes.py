"""Least and greatest of what is in a sliding window: a monotonic deque per group, all in one pool of nodes."""

from __future__ import annotations

from eiha.engine.jit import ReadBool, ReadInt64, ReadNumber, ReadUInt8, WriteBool, WriteInt64, WriteNumber, kernel


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
            node = heads[group]
            while node != -1:
                following = node_next[node]
                node_next[node] = pool[0]
                pool[0] = node
                node = following
            heads[group] = -1
            tails[group] = -1
        if valid[row]:
            value = values[row]
            if kinds[row] == 0:
                node = tails[group]
                while node != -1 and (node_values[node] < value if is_max else node_values[node] > value):
                    before = node_previous[node]
                    node_next[node] = pool[0]
                    pool[0] = node
                    node = before
                fresh = pool[0]
                if fresh == -1:
                    fresh = pool[1]
                    pool[1] += 1
                else:
                    pool[0] = node_next[fresh]
                node_values[fresh] = value
                node_next[fresh] = -1
                node_previous[fresh] = node
                tails[group] = fresh
                if node == -1:
                    heads[group] = fresh
                else:
                    node_next[node] = fresh
            else:
                node = heads[group]
                while node != -1 and node_values[node] != value:
                    node = node_next[node]
                if node != -1:
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
                    node_next[node] = pool[0]
                    pool[0] = node
        head = heads[group]
        if head == -1:
            out_valid[row] = False
        else:
            out[row] = node_values[head]
            out_valid[row] = True
