"""A node's TOML file → ``NodeConfig``, with every problem named at its line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from eiha.node.config import NAMED_SECTIONS, SECTIONS, DatasourceSection, NodeConfig, TlsPortSection
from eiha.node.config_check import check_consistency
from eiha.node.toml_document import TomlDocument


def read_config(path: Path, environment: Mapping[str, str]) -> NodeConfig:
    """Read and check the configuration in ``path``.

    ``environment`` answers ``${env:NAME}``; ``${file:PATH}`` is read relative to the configuration's directory.

    Raises:
        ConfigurationError: naming every problem found, one a line.
    """
    document = TomlDocument(path, environment)
    sections = document.sections(SECTIONS, NAMED_SECTIONS)
    datasources = document.named_tables("datasources", DatasourceSection)
    tls_ports = document.named_tables("tls_ports", TlsPortSection)
    document.raise_problems()
    config = NodeConfig(source=str(path), datasources=datasources, tls_ports=tls_ports, **sections)
    for where, message in check_consistency(config):
        document.report(where, message)
    document.raise_problems()
    return config
