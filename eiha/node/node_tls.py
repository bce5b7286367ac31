"""The node's TLS contexts: made from files at the start, made anew at SIGHUP, watched for their end.

A reload that fails leaves everything as it was. Connections that are open keep the certificates they were made with.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from eiha.errors import ConfigurationError
from eiha.node.arbiter_location import ArbiterLocation, parse_arbiter
from eiha.node.config import LISTENING_SECTIONS, NodeConfig
from eiha.node.config_check_tls import is_loopback
from eiha.node.tls_settings import PEER_PORTS, client_auth, is_encrypted, port_files
from eiha.observability.logs import EventLog
from eiha.transport.gated_listener import MakeContext
from eiha.transport.tls import (
    CertificateFacts,
    EndpointContext,
    TlsFiles,
    dialling_context,
    listening_context,
    read_certificate,
)

ARBITER: Final = "arbiter"
SECONDS_OF_DAY: Final = 86_400


class NodeTls:
    """All contexts of one node.

    Args:
        config: valid.
        log: warnings: what is not encrypted, what expires.

    Raises:
        ConfigurationError: a certificate, key or authority cannot be used.
    """

    def __init__(self, config: NodeConfig, log: EventLog) -> None:
        self._config = config
        self._log = log
        self._listening: dict[str, EndpointContext] = {}
        self._dialling: dict[str, EndpointContext] = {}
        self._said_on_day = -1
        self.own: CertificateFacts | None = None
        self._load()

    def listening(self, port: str) -> MakeContext | None:
        """Gives the context of the next connection to the port of section ``port``; None: it is not encrypted."""
        return (lambda: self._listening[port]) if port in self._listening else None

    def dialling(self, whom: str) -> MakeContext | None:
        """Gives the context to dial with: the other member on a section's port, or ``ARBITER``; None: plain."""
        return (lambda: self._dialling[whom]) if whom in self._dialling else None

    def reload(self) -> None:
        """Read all files again; used from the next connection on. Raises ``ConfigurationError``; nothing changed then.

        Whether a port is encrypted cannot change without a restart.
        """
        self._load()
        self._said_on_day = -1
        facts = self.own
        if facts is None:
            self._log.info("certificates_reloaded", "there is no [tls]: no certificate was read")
            return
        self._log.info(
            "certificates_reloaded",
            f"certificates read again: {facts.subject}, valid to {facts.not_after:%Y-%m-%d %H:%M} UTC",
            pin=facts.pin,
        )

    def days_left(self) -> int:
        """Whole days to the end of this node's certificate, negative after it; -1 without one is not told apart."""
        return self._seconds_left() // SECONDS_OF_DAY if self.own is not None else -1

    def watch_expiry(self) -> None:
        """Say once a day that the certificate ends soon. Cheap: called each second."""
        if self.own is None:
            return
        today = datetime.now(UTC).toordinal()
        if today == self._said_on_day:
            return
        self._said_on_day = today
        left_s, ends = self._seconds_left(), f"{self.own.not_after:%Y-%m-%d %H:%M} UTC"
        remedy = "make a new one (eiha certificates), put it in place and send SIGHUP"
        if left_s < 0:
            self._log.error(
                "certificate_expired",
                f"the certificate {self.own.subject} ended at {ends}: nobody accepts it; {remedy}",
            )
        elif left_s < self._config.tls.expiry_warning_days * SECONDS_OF_DAY:
            self._log.warning(
                "certificate_expires", f"the certificate {self.own.subject} ends at {ends}; {remedy} before"
            )

    def say_what_is_plain(self) -> None:
        """A warning for each port beyond loopback that is not encrypted because the configuration allows it."""
        for name in LISTENING_SECTIONS:
            section = getattr(self._config, name)
            if name not in self._listening and not is_loopback(section.host):
                assert section.allow_plaintext, "checked when the configuration was read"
                self._log.warning(
                    "plaintext_allowed",
                    f"{name} listens on {section.host}:{section.port} without encryption: whoever is on the way reads "
                    f"and changes what passes; {name}.allow_plaintext says so",
                )
        location = parse_arbiter(self._config.witness.arbiter) if self._config.witness.arbiter else ""
        if isinstance(location, ArbiterLocation) and not location.tls and not is_loopback(location.host):
            assert self._config.witness.allow_plaintext, "checked when the configuration was read"
            self._log.warning(
                "plaintext_allowed",
                f"the arbiter at {location.host}:{location.port} is asked without encryption; "
                "witness.allow_plaintext says so",
            )

    def _seconds_left(self) -> int:
        assert self.own is not None
        return int((self.own.not_after - datetime.now(UTC)).total_seconds())

    def _load(self) -> None:
        config = self._config
        listening: dict[str, EndpointContext] = {}
        dialling: dict[str, EndpointContext] = {}
        for name in LISTENING_SECTIONS:
            if not is_encrypted(config, name):
                continue
            files = port_files(config, name)
            listening[name] = _named(name, partial(listening_context, files, client_auth(config, name)))
            if name in PEER_PORTS:
                dialling[name] = _named(name, partial(dialling_context, files, check_host=False))
        tls = config.tls
        location = parse_arbiter(config.witness.arbiter) if config.witness.arbiter else ""
        if isinstance(location, ArbiterLocation) and location.tls:
            files = TlsFiles(tls.certificate, tls.private_key, tls.ca, tls.minimum_version)
            dialling[ARBITER] = _named("witness.arbiter", partial(dialling_context, files, check_host=True))
        own = read_certificate(Path(tls.certificate)) if tls.certificate else None
        self._listening, self._dialling, self.own = listening, dialling, own


def _named(name: str, make: Callable[[], EndpointContext]) -> EndpointContext:
    try:
        return make()
    except ConfigurationError as cause:
        raise ConfigurationError(f"TLS of {name}: {cause}") from cause
    except ssl.SSLError as cause:
        raise ConfigurationError(f"TLS of {name} cannot be set up: {cause}") from cause
