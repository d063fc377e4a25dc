"""Rego built to exhaust, to reach out, or to break what evaluates it: each denies within the budget."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from rego_world import HEAD, request, write

from watchword.policy import Effect, PolicyLoadError, PolicySet
from watchword.policy.rego import Limits, RegoPolicies, Said, SourceError, Stand, load_rego

TIGHT = Limits(budget_s=0.15, load_s=0.5, memory_bytes=256 * 1024 * 1024)
# Far above the budget, so that a busy machine does not fail the test; far below what the attack would take.
PATIENCE_S = 5.0


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Callable[..., RegoPolicies]]:
    made: list[RegoPolicies] = []

    def loaded(*, limits: Limits = TIGHT, **rego: str) -> RegoPolicies:
        found = load_rego(write(tmp_path, **rego), limits=limits)
        assert found is not None
        made.append(found)
        return found

    yield loaded
    for each in made:
        each.close()


def say(rego: RegoPolicies, **document: object) -> Said:
    """Ask, once a process is there."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        (said,) = rego.say(document)
        if not said.problem.startswith("rego_unavailable"):
            return said
        threading.Event().wait(0.005)
    raise AssertionError("no process came back")


@pytest.mark.parametrize(
    "body",
    [
        "count([1 | some i in numbers.range(1, 100000); some j in numbers.range(1, 100000); i == j * 2]) > 0",
        "count(numbers.range(1, 1000000000000)) > 0",
        "r := numbers.range(1, 3000); r[i] * r[j] * r[k] == 7.5",
        'count(split(sprintf("%1000000000d", [1]), "")) > 0',
        "count({x | some a in numbers.range(1, 5000); some b in numbers.range(1, 5000); x := [a, b]}) == 0",
        'every i in numbers.range(1, 200000) { regex.match(sprintf("(a|b|ab)*%d", [i]), "abababababababababab") }',
        'x := concat("", [c | some i in numbers.range(1, 9000000); c := "a"]); count(replace(x, "a", "bb")) > 0',
        "bits.lsh(1, 100000000000) > 0",
    ],
    ids=["comprehension", "range", "join", "format", "product", "expressions", "growth", "shift"],
)
def test_a_rule_built_to_exhaust_denies_within_the_budget(load: Callable[..., RegoPolicies], body: str) -> None:
    rego = load(a=HEAD + f"allow if {{ {body} }}\nallow if not input.attack")
    began = time.monotonic()
    said = say(rego, attack=True)
    assert time.monotonic() - began < PATIENCE_S
    assert said.stand is not Stand.ALLOWS
    assert said.problem.partition(":")[0] in {"rego_budget_spent", "rego_builtin_error", ""}


def test_a_spent_budget_says_so_and_the_next_question_is_answered_by_another_process(
    load: Callable[..., RegoPolicies],
) -> None:
    loop = "count([1 | some i in numbers.range(1, 100000); some j in numbers.range(1, 100000); i == j * 2]) == input.n"
    rego = load(a=HEAD + f"allow if input.calm\nallow if {{ not input.calm; {loop} }}")
    assert say(rego, calm=True).stand is Stand.ALLOWS
    assert say(rego, n=0).problem == "rego_budget_spent: `x.authz`: it took more than 150 ms"
    assert say(rego, calm=True).stand is Stand.ALLOWS


def test_while_another_process_starts_nobody_waits_and_everything_is_denied(
    load: Callable[..., RegoPolicies], monkeypatch: pytest.MonkeyPatch
) -> None:
    rego = load(a=HEAD + "allow if input.calm")
    monkeypatch.setattr(rego._evaluation, "start_again", lambda: None)
    worker = rego._evaluation._worker
    assert worker is not None
    worker.close()
    assert rego.say({"calm": True})[0].problem.startswith("rego_budget_spent")
    (said,) = rego.say({"calm": True})
    assert said.problem == "rego_unavailable: `x.authz`: the Rego process is only just starting again"


def test_memory_that_a_rule_asks_for_is_not_the_nodes(load: Callable[..., RegoPolicies]) -> None:
    rego = load(
        limits=Limits(budget_s=3.0, memory_bytes=200 * 1024 * 1024),
        a=HEAD + "allow if count(numbers.range(1, 90000000)) > 0",
    )
    before = max_rss()
    assert say(rego).stand is Stand.FAILED
    assert max_rss() - before < 64 * 1024


def max_rss() -> int:
    import resource  # noqa: PLC0415  # here only

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@pytest.mark.parametrize(
    "source",
    [
        HEAD + "allow if { x := " + "[" * 40 + "]" * 40 + " }",
        HEAD + "allow if { x := " + "{" * 40 + "}" * 40 + " }",
        HEAD + "allow if { " + "(" * 5000 + "1" + ")" * 5000 + " }",
        HEAD + "allow if " + "not " * 3000 + "true",
        HEAD + "allow if input" + ".a" * 20000,
        HEAD + "allow if { " + "x := 1 + " * 3000 + "1 }",
        "package " + "a." * 20000 + "b\nallow := true",
    ],
    ids=["arrays", "sets", "brackets", "negations", "references", "sums", "package"],
)
def test_a_file_built_to_exhaust_the_reader_is_refused_or_read_in_time(
    load: Callable[..., RegoPolicies], source: str
) -> None:
    """Forty opening brackets keep the library's parser busy for days; here they cost a second and are refused."""
    began = time.monotonic()
    problems: list[str] = []
    try:
        said = say(load(a=source)).stand
    except SourceError as error:
        problems, said = [problem.path for problem in error.problems], Stand.FAILED
    assert said is not Stand.ALLOWS
    assert set(problems) <= {"rego/a.rego"}
    assert time.monotonic() - began < PATIENCE_S * 2


@pytest.mark.parametrize(
    ("call", "name"),
    [
        ('http.send({"method": "get", "url": "http://127.0.0.1:1"}).status_code == 200', "http.send"),
        ('http["send"]({}).status_code == 200', "http.send"),
        ('net.lookup_ip_addr("example.com")[_]', "net.lookup_ip_addr"),
        ("opa.runtime().env.PATH", "opa.runtime"),
        ('rego.parse_module("a", "package a")', "rego.parse_module"),
        ('rand.intn("a", 2) == 1', "rand.intn"),
    ],
)
def test_builtins_that_reach_out_are_refused_when_the_file_is_read(tmp_path: Path, call: str, name: str) -> None:
    with pytest.raises(PolicyLoadError) as caught:
        PolicySet.load(write(tmp_path, a=HEAD + f"f := 1\nallow if {{ {call} }}"))
    (problem, *_) = caught.value.problems
    assert str(problem).startswith("rego/a.rego:5:")
    assert f"`{name}` is refused" in problem.message


def test_a_rule_cannot_take_the_name_of_a_refused_builtin_by_another_way(load: Callable[..., RegoPolicies]) -> None:
    rego = load(a=HEAD + "import_http := 1\nallow if data.http.send")
    assert say(rego).stand is Stand.DENIES


def test_the_process_has_neither_the_environment_nor_the_output_of_the_node(
    load: Callable[..., RegoPolicies], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WATCHWORD_MASTER_KEY", "secret")
    rego = load(a=HEAD + 'allow if { print("leak", input.user); true }')
    worker = rego._evaluation._worker
    assert worker is not None
    pid = worker._process.pid
    assert b"secret" not in Path(f"/proc/{pid}/environ").read_bytes()
    links = [os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")]  # noqa: PTH115,PTH208
    assert sum(link.startswith("socket:") for link in links) <= 2
    assert say(rego, user="kim").stand is Stand.ALLOWS
    assert capfd.readouterr() == ("", "")


def test_a_policy_set_that_is_dropped_leaves_no_process_behind(tmp_path: Path) -> None:
    rego = load_rego(write(tmp_path, a=HEAD))
    assert rego is not None
    worker = rego._evaluation._worker
    assert worker is not None
    process = worker._process
    del worker, rego
    assert process.wait(10) != 0


def test_a_node_that_is_killed_leaves_no_process_behind_not_even_a_busy_one(tmp_path: Path) -> None:
    """The kernel's alarm ends what the node cannot end any more."""
    write(tmp_path, a=HEAD + "allow if { r := numbers.range(1, 5000); r[i] * r[j] * r[k] == 7.5 }")
    program = (
        "import sys; from pathlib import Path; from watchword.policy.rego import load_rego, Limits\n"
        f"rego = load_rego(Path({str(tmp_path)!r}), limits=Limits(budget_s=0.5))\n"
        "print(rego._evaluation._worker._process.pid, flush=True); sys.stdin.readline(); rego.say({})"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as node:
        assert node.stdin is not None
        assert node.stdout is not None
        worker = psutil.Process(int(node.stdout.readline()))
        node.stdin.write(b"\n")
        node.stdin.flush()
        busy_s = worker.cpu_times().user
        until = time.monotonic() + 20
        while worker.cpu_times().user <= busy_s and time.monotonic() < until:
            threading.Event().wait(0.005)
        node.kill()
    worker.wait(20)
    assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE


def test_a_set_that_cannot_be_read_leaves_no_process_behind(tmp_path: Path) -> None:
    before = children()
    with pytest.raises(PolicyLoadError):
        PolicySet.load(write(tmp_path, "permit (principal, action, resource);", a="package"))
    assert children() <= before


def children() -> set[str]:
    return set(Path(f"/proc/{os.getpid()}/task/{threading.get_native_id()}/children").read_text().split())


def test_an_input_that_is_too_long_denies(load: Callable[..., RegoPolicies]) -> None:
    rego = load(limits=Limits(input_bytes=2000), a=HEAD + "allow := true")
    assert say(rego, a="x" * 3000).problem.startswith("rego_input_too_large")
    assert say(rego, a="x").stand is Stand.ALLOWS


def test_an_answer_that_is_too_long_denies(load: Callable[..., RegoPolicies]) -> None:
    rego = load(
        limits=Limits(budget_s=3.0), a=HEAD + "allow if true\ndeny contains x if some x in numbers.range(1, 200000)"
    )
    assert say(rego).problem == "rego_budget_spent: `x.authz`: the value of a rule is too long"


def test_reasons_of_a_policy_are_bounded(load: Callable[..., RegoPolicies]) -> None:
    rego = load(a=HEAD + 'deny contains sprintf("%d %s", [x, input.pad]) if some x in numbers.range(1, 50)')
    said = say(rego, pad="x" * 5000)
    assert said.stand is Stand.DENIES
    assert len(said.reasons) == 20
    assert max(map(len, said.reasons)) == 300


def test_rego_that_is_not_there_costs_no_process(tmp_path: Path) -> None:
    before = children()
    policies = PolicySet.load(write(tmp_path, "permit (principal, action, resource);"))
    assert policies.bundle.rego is None
    assert policies.evaluate(request()).effect is Effect.PERMIT
    assert children() <= before
