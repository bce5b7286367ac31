"""How the command line talks to running nodes: HTTP, or HTTPS where they have certificates; signed where it acts."""

from __future__ import annotations

import http.client
import json
import os
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from argparse import SUPPRESS, ArgumentParser, Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eiha.errors import ConfigurationError, EihaError, StoreUnavailable
from eiha.node.admin_signature import SIGNATURE_HEADER, TIME_HEADER, sign
from eiha.node.config_reader import read_config
from eiha.node.membership import http_scheme, http_url
from eiha.node.tls_settings import port_files
from eiha.transport.tls import TlsFiles, dialling_context
from eiha.transport.tls_refusal import tls_remedy

TIMEOUT_S = 15.0
STATUS_TIMEOUT_S = 2.0

_NO_NODE = "something else than a node listens there; give the address of [http]"

_OK, _ELSEWHERE, _NOT_ACTIVE, _NOT_NOW = 200, 307, 409, 503


class NodeUnreachable(StoreUnavailable):
    """No node answers; the text names where it was looked for."""


class NodeRefused(EihaError):
    """The node answered that it will not; the text is its reason."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where nodes are. ``secret``: empty when only reading. ``tls``: for ``https``; None: the system's authorities."""

    urls: tuple[str, ...]
    secret: str
    tls: ssl.SSLContext | None = None


def add_target_arguments(parser: ArgumentParser, *, below: bool = False) -> None:
    """``--config`` (repeatable) or ``--url`` (repeatable).

    ``below``: of an action whose command takes them too, so that they may stand before the action or behind it.
    """
    one: str = SUPPRESS if below else ""
    several: list[str] | str = SUPPRESS if below else []
    parser.add_argument(
        "--config",
        type=Path,
        action="append",
        default=several,
        metavar="FILE",
        help="configuration of a node; repeatable",
    )
    parser.add_argument(
        "--url", action="append", default=several, metavar="URL", help="a node's HTTP address; repeatable"
    )
    parser.add_argument(
        "--ca", default=one, metavar="FILE", help="authorities trusted for https (default: tls.ca of --config)"
    )


def read_target(options: Namespace) -> Target:
    """Where to look, from the options or ``EIHA_CONFIG``. Raises ``ConfigurationError``."""
    paths = list(options.config)
    if not paths and not options.url and "EIHA_CONFIG" in os.environ:
        paths = [Path(os.environ["EIHA_CONFIG"])]
    if not paths and not options.url:
        raise ConfigurationError("say which node: --config FILE, --url URL, or the environment variable EIHA_CONFIG")
    secret = os.environ.get("EIHA_CLUSTER_SECRET", "")
    urls = [_checked(url.rstrip("/")) for url in options.url]
    files = TlsFiles(authority=options.ca)
    for path in paths:
        config = read_config(path, os.environ)
        secret = config.cluster.secret
        urls.append(http_url(config))
        others = (member for member in config.cluster.members if member.node != config.cluster.node)
        scheme = http_scheme(config)
        urls += [f"{scheme}://{member.host}:{member.http_port}" for member in others if member.http_port]
        if scheme == "https":
            own = port_files(config, "http")
            files = TlsFiles(own.certificate, own.key, options.ca or own.authority, own.minimum)
    encrypted = any(url.startswith("https://") for url in urls)
    return Target(tuple(dict.fromkeys(urls)), secret, dialling_context(files, check_host=True) if encrypted else None)


def read_json(url: str, timeout_s: float = STATUS_TIMEOUT_S, tls: ssl.SSLContext | None = None) -> Any:
    """The JSON that a node tells of itself at ``url``. Raises ``NodeUnreachable``."""
    try:
        with urllib.request.urlopen(_checked(url), timeout=timeout_s, context=tls) as answer:  # noqa: S310  checked
            document = json.loads(answer.read())
    except json.JSONDecodeError as error:
        raise NodeUnreachable(f"{url}: {_NO_NODE}") from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise NodeUnreachable(f"{url}: {_reason(error)}") from error
    if not isinstance(document, dict) or "role" not in document:
        raise NodeUnreachable(f"{url}: {_NO_NODE}")
    return document


def act(target: Target, method: str, path: str, body: bytes = b"") -> dict[str, Any]:
    """Do something on the active node; its answer.

    Raises:
        NodeUnreachable: no node is active, or it does not answer.
        NodeRefused: it answered that it will not.
    """
    if not target.secret:
        raise ConfigurationError("actions are signed: give --config FILE, or the secret in EIHA_CLUSTER_SECRET")
    return send_signed(find_active(target), target.secret, method, path, body, target.tls)


def query(target: Target, plan: str, text: str) -> dict[str, Any]:
    """Ask whichever node answers first; a statement goes on to the active one. The answer's document.

    Raises:
        NodeUnreachable: no node takes the connection; or one did and then broke it off, so that a statement may have
            been carried out.
        NodeRefused: the node answered that it will not.
    """
    body = json.dumps({"plan": plan, "query": text}).encode()
    seen: list[str] = []
    for url in target.urls:
        try:
            answer = _post(url, target, "/query", body)
            if answer.status == _ELSEWHERE:
                answer = _post(answer.location.removesuffix("/query"), target, "/query", body)
            elif answer.status == _NOT_ACTIVE:
                answer = _post(find_active(target), target, "/query", body)
        except _NoConnection as error:
            seen.append(str(error))
            continue
        if answer.status == _OK:
            return answer.document
        reason = str(answer.document.get("detail", f"status {answer.status}"))
        if answer.status != _NOT_NOW:
            raise NodeRefused(reason)
        seen.append(f"{url}: {reason}")
    raise NodeUnreachable("no node answers: " + "; ".join(seen))


class _NoConnection(NodeUnreachable):
    """The node does not take the connection: nothing was asked of it."""


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    document: dict[str, Any]
    location: str


def _post(url: str, target: Target, path: str, body: bytes) -> _Answer:
    """A POST to one node, signed where a secret is known. Raises ``NodeUnreachable``."""
    parts = urllib.parse.urlsplit(_checked(url))
    host, secret = parts.hostname or "", target.secret
    connection = (
        http.client.HTTPSConnection(host, parts.port, timeout=STATUS_TIMEOUT_S, context=target.tls)
        if parts.scheme == "https"
        else http.client.HTTPConnection(host, parts.port, timeout=STATUS_TIMEOUT_S)
    )
    try:
        try:
            connection.connect()
        except OSError as error:
            raise _NoConnection(f"{url}: {_reason(error)}") from error
        assert connection.sock is not None
        connection.sock.settimeout(TIMEOUT_S)
        headers = {"Content-Type": "application/json"}
        if secret:
            time_ms = int(time.time() * 1_000)
            headers |= {TIME_HEADER: str(time_ms), SIGNATURE_HEADER: sign(secret, "POST", path, time_ms, body)}
        connection.request("POST", parts.path.rstrip("/") + path, body, headers)
        answer = connection.getresponse()
        document = json.loads(answer.read())
        return _Answer(answer.status, document, answer.headers.get("Location", ""))
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise NodeUnreachable(f"{url}: {_reason(error)}; a statement may have been carried out") from error
    finally:
        connection.close()


def find_active(target: Target) -> str:
    """URL of the active node. Raises ``NodeUnreachable``."""
    seen = []
    for url in target.urls:
        try:
            role = read_json(f"{url}/role", tls=target.tls)
        except NodeUnreachable as error:
            seen.append(str(error))
            continue
        if role["role"] == "active":
            return url
        seen.append(f"{url}: {role['node']} is {role['role']}")
    raise NodeUnreachable("no active node found: " + "; ".join(seen))


def send_signed(
    url: str, secret: str, method: str, path: str, body: bytes, tls: ssl.SSLContext | None = None
) -> dict[str, Any]:
    """A signed request to one node; its answer. Raises as ``act``."""
    quoted = urllib.parse.quote(path)
    time_ms = int(time.time() * 1_000)
    request = urllib.request.Request(  # noqa: S310  scheme is checked in _checked
        _checked(url + quoted),
        data=body,
        method=method,
        headers={TIME_HEADER: str(time_ms), SIGNATURE_HEADER: sign(secret, method, path, time_ms, body)},
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S, context=tls) as answer:  # noqa: S310  checked
            found: dict[str, Any] = json.loads(answer.read())
            return found
    except urllib.error.HTTPError as error:
        raise NodeRefused(_problem(error)) from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise NodeUnreachable(f"{url}: {_reason(error)}") from error


def publish_json(target: Target, url: str, path: str, body: bytes, key: str) -> None:
    """Publish a JSON array of events over HTTP, at most once however often it is tried with ``key``. Raises as ``act``.

    ``path`` is quoted already.
    """
    request = urllib.request.Request(  # noqa: S310  scheme is checked in _checked
        _checked(url + path),
        data=body,
        method="POST",
        headers={"Content-Type": "application/json", "Idempotency-Key": key},
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S, context=target.tls) as answer:  # noqa: S310  checked
            answer.read()
    except urllib.error.HTTPError as error:
        raise NodeRefused(_problem(error)) from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise NodeUnreachable(f"{url}: {_reason(error)}") from error


def _checked(url: str) -> str:
    try:
        parts = urllib.parse.urlsplit(url)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address:
        raise ConfigurationError(f"{url!r} is not an HTTP address; write it as http://host:port")
    return url


def _problem(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(error.read())["detail"])
    except (ValueError, KeyError, TypeError, OSError):
        return f"{error.code} {error.reason}"


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    if isinstance(reason, ssl.SSLError):
        return tls_remedy(reason)
    if isinstance(error, ssl.SSLError):
        return tls_remedy(error)
    return str(getattr(reason, "strerror", None) or reason)
