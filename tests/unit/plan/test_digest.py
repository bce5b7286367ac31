from eiha.plan.compilation import compile_plan
from eiha.plan.digest import digest

TEXT = "@app:name('p') define stream S (a int); from S[a > 1] select a insert into Out;"


def test_spelling_comments_and_warnings_do_not_change_the_identity() -> None:
    same = (
        "@Plan:name('p') @app:statistics('true') DEFINE STREAM S (a INT);\n-- c\n"
        "from S[(a > 1)] select S.a insert into Out"
    )
    assert digest(compile_plan(TEXT)) == digest(compile_plan(same))


def test_what_changes_the_plan_changes_the_identity() -> None:
    others = [
        TEXT.replace("> 1", "> 2"),
        TEXT.replace("> 1", ">= 1"),
        TEXT.replace("a int", "a long").replace("> 1", "> 1L"),
        TEXT.replace("'p'", "'q'"),
        TEXT.replace("insert into", "insert all events into"),
        TEXT.replace("insert", "limit 5 insert"),
        TEXT.replace("@app:name('p')", "@app:name('p') @app:playback"),
        TEXT.replace("define", "@store(type='events') define"),
        TEXT.replace("from S", "@info(name='q') from S"),
        TEXT.replace("Out", "`Out `"),
    ]
    digests = {digest(compile_plan(text)) for text in [TEXT, *others]}
    assert len(digests) == len(others) + 1


def test_the_identity_does_not_change_between_versions_unnoticed() -> None:
    # snapshots carry it: if this fails on purpose, raise digest.FORMAT and say so in the changelog
    assert digest(compile_plan(TEXT)) == "4b115305e49e4f09e483b994b3f378d0"
