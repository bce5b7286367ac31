"""Streams as clients name them: ``stream`` for every plan that defines it, ``plan:stream`` for that plan alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from eiha.events.schema import StreamDefinition
from eiha.protocol.log_entry import Publication

OF_PLAN: Final = ":"
"""Between a plan's name and a stream's. A plan's name may have one, a stream's has none."""


def stream_of(publication: Publication) -> str:
    """The stream's own name."""
    return publication.stream.rpartition(OF_PLAN)[2]


def is_for(publication: Publication, plan: str, defined: frozenset[str]) -> bool:
    """Whether ``plan``, which defines these streams, gets the rows."""
    wanted, _, stream = publication.stream.rpartition(OF_PLAN)
    return stream in defined and wanted in ("", plan)


def of_plan(plan: str, stream: str) -> str:
    """The name of a plan's stream for that plan alone."""
    return f"{plan}{OF_PLAN}{stream}"


def find_stream(streams: Mapping[str, StreamDefinition], name: str) -> StreamDefinition | None:
    """The definition that publications to ``name`` must fit, under that name.

    Plans that define one stream define it alike. Whether the plan that is named does is seen when the rows are
    applied; rows that it does not take are kept as errors.
    """
    found = streams.get(name)
    if found is None and OF_PLAN in name:
        bare = streams.get(name.rpartition(OF_PLAN)[2])
        return None if bare is None else StreamDefinition(name, bare.schema)
    return found
