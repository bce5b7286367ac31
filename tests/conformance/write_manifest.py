"""Write ``manifest.json`` anew: ``python -m tests.conformance.write_manifest``; review the difference."""

from __future__ import annotations

import json

from eiha.engine.conformance.compare import TIMING
from eiha.engine.conformance.judge import Status, judge
from eiha.plan.compilation import compile_plan
from tests.conformance.test_recorded_cases import FILES, HERE, MANIFEST, cases_of


def main() -> None:
    found = [judge(case, compile_plan, TIMING) for path in FILES for case in cases_of(path)]
    unsupported = {each.name: each.detail for each in found if each.status is Status.UNSUPPORTED}
    failed = [each.name for each in found if each.status is Status.FAILED]
    deliberate = {name: MANIFEST["deliberate"].get(name, "TO BE EXPLAINED") for name in failed}
    manifest = {"deliberate": deliberate, "unsupported": unsupported}
    (HERE / "manifest.json").write_text(json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
