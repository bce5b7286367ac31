from __future__ import annotations

import pytest

from eiha.node.admin_signature import WINDOW_MS, SignatureCheck, sign

SECRET = "a-secret-for-tests"
NOW_MS = 1_700_000_000_000


def signed(**changes: object) -> dict[str, object]:
    request: dict[str, object] = {"method": "POST", "path": "/v1/admin/switchover", "body": b"x", "time_ms": NOW_MS}
    request.update(changes)
    return request


def check(checker: SignatureCheck, request: dict[str, object], signature: str) -> str:
    return checker.check(
        str(request["method"]),
        str(request["path"]),
        str(request["time_ms"]),
        signature,
        request["body"],
        NOW_MS,  # type: ignore[arg-type]
    )


def signature_of(request: dict[str, object], secret: str = SECRET) -> str:
    return sign(secret, request["method"], request["path"], request["time_ms"], request["body"])  # type: ignore[arg-type]


def test_who_knows_the_secret_is_let_in() -> None:
    request = signed()
    assert check(SignatureCheck(SECRET), request, signature_of(request)) == ""


def test_a_signature_is_good_once() -> None:
    checker, request = SignatureCheck(SECRET), signed()
    assert check(checker, request, signature_of(request)) == ""
    assert "made before" in check(checker, request, signature_of(request))


@pytest.mark.parametrize("part", [{"method": "PUT"}, {"path": "/v1/admin/snapshot"}, {"body": b"y"}])
def test_a_signature_is_of_the_whole_request(part: dict[str, object]) -> None:
    assert "not of this cluster's secret" in check(SignatureCheck(SECRET), signed(**part), signature_of(signed()))


def test_another_secret_is_refused() -> None:
    request = signed()
    assert "not of this cluster's secret" in check(SignatureCheck(SECRET), request, signature_of(request, "another"))


@pytest.mark.parametrize("off_ms", [-WINDOW_MS - 1, WINDOW_MS + 1])
def test_an_old_or_future_request_is_refused(off_ms: int) -> None:
    request = signed(time_ms=NOW_MS + off_ms)
    assert "signed 60 s away" in check(SignatureCheck(SECRET), request, signature_of(request))


@pytest.mark.parametrize(("time_text", "signature"), [("", "x"), ("soon", "x"), ("1", ""), ("²", "x"), ("9" * 20, "x")])
def test_an_unsigned_request_is_told_how_to_sign(time_text: str, signature: str) -> None:
    found = SignatureCheck(SECRET).check("POST", "/", time_text, signature, b"", NOW_MS)
    assert "sign the request" in found
