"""How fast slowq is and how much memory it takes, beside grep, ripgrep, pgBadger and pt-query-digest, in one run.

    python -m bench.speed                 everything: some ten minutes, 7 GB of disk
    python -m bench.speed --quick         the same on inputs an eighth the size
    python -m bench.speed --only stream   one part

Prints every timing, then one table of targets. A target that is not met is a result; a command that fails, or that
counts other than grep does, makes the exit code 1. What is measured and how: bench/README.md. Linux only.
"""

import argparse
import hashlib
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import IO

from bench import peers

MIB, GIB = 2**20, 2**30
MARK = 'slow"]'
TIMES = "\N{MULTIPLICATION SIGN}"
SAMPLE_EVERY_S = 0.02
START_UP_ROUNDS = 15
PROJECT = Path(__file__).parents[1]
GENERATOR = Path(__file__).with_name("generate.py")
ALL = 1_000_000  # more runs than any part asks for
ZSTD = "import sys, zstandard as z; z.ZstdCompressor(3).copy_stream(sys.stdin.buffer, sys.stdout.buffer)"


class CommandFailedError(Exception):
    """A command ended with an error, or its result is wrong."""


# --- Running ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a command or a pipe: `peak_mib` is that of the largest process of the last stage."""

    wall_s: float
    cpu_s: float
    peak_mib: float


@dataclass(slots=True)
class Timing:
    """The runs of one command."""

    runs: list[Run] = field(default_factory=list)

    @property
    def wall_s(self) -> float:
        """The shortest: what the program takes where nothing else interferes."""
        return min(run.wall_s for run in self.runs)

    @property
    def cpu_s(self) -> float:
        """User and system time of all processes, the least."""
        return min(run.cpu_s for run in self.runs)

    def as_json(self) -> dict[str, list[float]]:
        """Every run."""
        names = ("wall_s", "cpu_s", "peak_mib")
        return {name: [round(getattr(run, name), 4) for run in self.runs] for name in names}

    def __str__(self) -> str:
        wall = statistics.median(run.wall_s for run in self.runs)
        cpu = statistics.median(run.cpu_s for run in self.runs)
        peak = max(run.peak_mib for run in self.runs)
        return f"{self.wall_s:9.3f} {wall:9.3f} {self.cpu_s:9.3f} {cpu:9.3f} {peak:9.0f} {len(self.runs):5d}"


@dataclass(frozen=True, slots=True)
class Command:
    """One or more programs joined by pipes; `check` gets what the last one wrote and raises if it is wrong."""

    stages: tuple[list[str], ...]
    check: Callable[[Path], None] | None = None


def run(command: Command, watch: Callable[[int], None] | None = None) -> Run:
    """Run it to its end. `watch` is called with the process id of the last stage while that runs."""
    with tempfile.TemporaryDirectory() as scratch:
        # Into a file: with /dev/null as its output grep stops at the first match.
        output, errors = Path(scratch, "output"), Path(scratch, "errors")
        with output.open("wb") as out, errors.open("wb") as err:
            begun = time.perf_counter()
            processes = _start(command.stages, out, err)
            watcher = _watch(watch, processes[-1].pid)
            used = [_wait(process) for process in processes]
            wall_s = time.perf_counter() - begun
        watcher()
        failed = next((code for code, _, _ in reversed(used) if code), 0)
        if failed:
            last = errors.read_text(errors="replace").strip().splitlines()[-1:] or ["nothing on standard error"]
            raise CommandFailedError(f"exit code {failed}: {last[0][:200]}")
        if command.check is not None:
            command.check(output)
    return Run(wall_s, sum(cpu_s for _, cpu_s, _ in used), used[-1][2])


def _start(stages: tuple[list[str], ...], out: IO[bytes], err: IO[bytes] | None) -> list[subprocess.Popen[bytes]]:
    # An installed program has its bytecode, which this variable would keep from being written beside a source tree.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    processes: list[subprocess.Popen[bytes]] = []
    for n, stage in enumerate(stages):
        before = processes[-1].stdout if processes else subprocess.DEVNULL
        after = out if n == len(stages) - 1 else subprocess.PIPE
        try:
            processes.append(
                subprocess.Popen(stage, stdin=before, stdout=after, stderr=err, env=environment, cwd=PROJECT)
            )
        except OSError as error:
            for process in processes:
                process.kill()
                process.wait()
            raise CommandFailedError(f"cannot start {stage[0]}: {error.strerror}") from error
        if len(processes) > 1 and (handed_on := processes[-2].stdout):
            handed_on.close()
    return processes


def _wait(process: subprocess.Popen[bytes]) -> tuple[int, float, float]:
    """Exit code, CPU seconds with those of its own children, and the peak in MiB of the largest of them."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def _watch(watch: Callable[[int], None] | None, pid: int) -> Callable[[], None]:
    """Call `watch` every few milliseconds from a thread, until the function that comes back is called."""
    if watch is None:
        return lambda: None
    over = threading.Event()

    def sample() -> None:
        while not over.wait(SAMPLE_EVERY_S):
            watch(pid)

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()

    def stop() -> None:
        over.set()
        thread.join()

    return stop


class TreeMemory:
    """The peak of what a process and all below it hold, pages that they share counted once (the sum of their PSS)."""

    def __init__(self) -> None:
        self.peak_mib = 0.0

    def __call__(self, pid: int) -> None:
        total_kib = sum(_pss_kib(each) for each in _tree(pid))
        self.peak_mib = max(self.peak_mib, total_kib / 1024)


def _tree(pid: int) -> list[int]:
    found, at = [pid], 0
    while at < len(found):
        for task in Path(f"/proc/{found[at]}/task").glob("*/children"):
            try:
                found += [int(child) for child in task.read_text().split()]
            except OSError:  # it has ended
                continue
        at += 1
    return found


def _pss_kib(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:  # it has ended
        return 0
    return next((int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")), 0)


# --- The commands -----------------------------------------------------------------------------------------------------


def slowq_program(given: str | None) -> str:
    """The slowq that belongs to this Python, unless another is given."""
    beside = Path(sys.executable).with_name("slowq")
    return given or (str(beside) if beside.exists() else shutil.which("slowq") or str(beside))


def analyze_command(slowq: str, path: str, jobs: int | None = None) -> list[str]:
    """The whole tool: from the file to a diagnosis in JSON."""
    return [slowq, "analyze", path, "--format", "json", *(["--jobs", str(jobs)] if jobs else [])]


def extraction_command(slowq: str, path: str, jobs: int = 1) -> list[str]:
    """Finding slow lines and reading their fields into typed columns, with no analysis after it."""
    python = Path(slowq).with_name("python")
    return [str(python), str(Path(__file__).with_name("extract.py")), path, str(jobs)]


def grep_command(program: str, path: str) -> list[str]:
    """Count the lines that hold the mark of a slow request."""
    return [program, "-cF", MARK, path]


# --- What is found ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """One target. `ratio` is to the peer, or to the target where that is a number; `met` is None if not measured."""

    what: str
    target: str
    measured: str
    ratio: float | None = None
    met: bool | None = None


@dataclass(slots=True)
class Bench:
    """Where inputs lie (an absolute path) and results go; inputs are so many times smaller, and run so often at most."""

    folder: Path
    slowq: str
    smaller: int = 1
    most_rounds: int = ALL
    timings: dict[str, Timing] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    memory_mib: dict[str, dict[str, float]] = field(default_factory=dict)
    uncached: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)

    def scaled(self, full: int) -> int:
        """A size of the full run, as it is in this one."""
        return full // self.smaller

    def rounds(self, full: int) -> int:
        """How often to run what the full run does so often."""
        return min(full, self.most_rounds)

    def measure(self, commands: dict[str, Command], rounds: int) -> None:
        """Run all of them in turn, and again: what disturbs the machine for a while disturbs them all."""
        for n in range(rounds):
            _say(f"{next(iter(commands), '').partition(':')[0]}: round {n + 1} of {rounds}")
            for name, command in commands.items():
                if name in self.missing:
                    continue
                try:
                    self.timings.setdefault(name, Timing()).runs.append(run(command))
                except CommandFailedError as error:
                    self.fail(name, error)

    def measure_memory(self, name: str, command: Command) -> None:
        """One more run, not timed, since looking at memory slows it down."""
        if name in self.missing:
            return
        _say(f"{name}: memory")
        tree = TreeMemory()
        try:
            done = run(command, tree)
        except CommandFailedError as error:
            self.fail(name, error)
            return
        self.memory_mib[name] = {"largest_process": done.peak_mib, "process_tree": tree.peak_mib}

    def fail(self, name: str, error: CommandFailedError) -> None:
        """Remember that there are no figures of this one, and why."""
        self.missing[name] = f"FAILED: {error}"
        self.timings.pop(name, None)
        _say(f"{name}: {self.missing[name]}")

    def lack(self, name: str, peer: peers.Peer) -> bool:
        """Whether a peer is not installed; then it is named as not measured."""
        if not peer.installed:
            self.missing[name] = f"not measured: {peer.program} is missing (apt package {peer.package})"
        return not peer.installed

    def at_most(self, what: str, limit: float, beside: str, names: tuple[str, str]) -> None:
        """Judge the wall time of the first by that of the second."""
        self._compare(
            what, f"≤ {limit} {TIMES} {beside}", names, lambda a, b: a.wall_s / b.wall_s, lambda x: x <= limit
        )

    def times_faster(self, what: str, limit: float, beside: str, names: tuple[str, str]) -> None:
        """Judge how many times faster by the clock the first is than the second."""
        self._compare(
            what, f"≥ {limit} {TIMES} {beside}", names, lambda a, b: b.wall_s / a.wall_s, lambda x: x >= limit
        )

    def times_cheaper(self, what: str, limit: float, beside: str, names: tuple[str, str], entries: int) -> None:
        """Judge the entries read in a CPU second by those of the second."""

        def show(timing: Timing) -> str:
            return f"{entries / timing.cpu_s:,.0f}/s"

        target = f"≥ {limit} {TIMES} {beside}"
        self._compare(what, target, names, lambda a, b: b.cpu_s / a.cpu_s, lambda x: x >= limit, show)

    def _compare(
        self,
        what: str,
        target: str,
        names: tuple[str, str],
        ratio: Callable[[Timing, Timing], float],
        meets: Callable[[float], bool],
        show: Callable[[Timing], str] = lambda timing: f"{timing.wall_s:.3f} s",
    ) -> None:
        if self._lacking(what, target, *names):
            return
        one, other = (self.timings[name] for name in names)
        value = ratio(one, other)
        self.rows.append(Row(what, target, f"{show(one)} : {show(other)}", value, meets(value)))

    def number(self, what: str, limit: float, unit: str, name: str, value: Callable[[Timing], float]) -> None:
        """Judge a rate that has to be at least so high."""
        target = f"≥ {limit:,.0f} {unit}"
        if not self._lacking(what, target, name):
            measured = value(self.timings[name])
            self.rows.append(Row(what, target, f"{measured:,.0f} {unit}", measured / limit, measured >= limit))

    def memory(self, what: str, limit_mib: float, name: str) -> None:
        """Judge peak memory by the larger of the two ways to measure it."""
        target = f"≤ {limit_mib:,.0f} MiB"
        if name not in self.memory_mib:
            self._lacking(what, target, name)
            return
        measured_mib = max(self.memory_mib[name].values())
        met = measured_mib <= limit_mib
        self.rows.append(Row(what, target, f"{measured_mib:,.0f} MiB", measured_mib / limit_mib, met))

    def seconds(self, what: str, limit_s: float, names: tuple[str, ...]) -> None:
        """Judge a wall time, less that of the second command where there is one."""
        target = f"≤ {limit_s} s"
        if not self._lacking(what, target, *names):
            measured_s = self.timings[names[0]].wall_s - sum(self.timings[name].wall_s for name in names[1:])
            self.rows.append(Row(what, target, f"{measured_s:.3f} s", measured_s / limit_s, measured_s <= limit_s))

    def _lacking(self, what: str, target: str, *names: str) -> bool:
        lacking = [name for name in names if name not in self.timings]
        if lacking:
            reason = self.missing.get(lacking[0], "not measured")
            self.rows.append(Row(what, target, reason))
        return bool(lacking)

    # --- Inputs

    def input(self, name: str, *stages: list[str]) -> Path:
        """A file in the folder: written by the stages unless it is there, then read once, into the page cache.

        The name tells the generator too, so that inputs of another one are not taken for its own.
        """
        path = self.folder / f"{_generator_digest()}-{name}"
        if not path.exists():
            _say(f"writing {path}")
            part = path.with_suffix(path.suffix + ".part")
            with part.open("wb") as out:
                codes = [_wait(process)[0] for process in _start(stages, out, None)]
            if any(codes):
                raise CommandFailedError(f"could not write {path}: exit codes {codes}")
            part.rename(path)
        _read_once(path)
        if path.stat().st_size > _memory_kib()["MemAvailable"] * 1024:
            self.uncached.append(path.name)
        return path

    def log(self, size_bytes: int) -> Path:
        """A log with 1 % slow lines."""
        mib = size_bytes // MIB
        return self.input(f"{mib}MiB-1pct.log", generator("--size", f"{mib}MiB", "--slow-share", "0.01"))


def generator(*options: str) -> list[str]:
    """The command that writes a log to its standard output."""
    return [sys.executable, "-m", "bench.generate", *options]


@cache
def _generator_digest() -> str:
    sources = (GENERATOR, Path(peers.__file__))
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:8]


def _memory_kib() -> dict[str, int]:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return {line.partition(":")[0]: int(line.split()[1]) for line in lines}


def _read_once(path: Path) -> None:
    buffer = bytearray(4 * MIB)
    with path.open("rb", buffering=0) as file:
        while file.readinto(buffer):
            pass


def counted(path: Path) -> int:
    """The slow lines of a file, by grep."""
    try:
        done = subprocess.run(grep_command("grep", str(path)), capture_output=True, check=False)
    except OSError as error:
        raise CommandFailedError(f"cannot start grep: {error.strerror}") from error
    return int(done.stdout or 0)


def counts(expected: int) -> Callable[[Path], None]:
    """A check that the JSON of `slowq analyze` has so many slow requests."""

    def check(output: Path) -> None:
        try:
            found = json.loads(output.read_bytes())["coverage"]["slow_requests"]
        except (ValueError, KeyError, TypeError) as error:
            raise CommandFailedError(f"no diagnosis in the output: {error!r}") from error
        if found != expected:
            raise CommandFailedError(f"{found:,} slow requests found, where there are {expected:,}")

    return check


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


# --- The parts --------------------------------------------------------------------------------------------------------


def log_of_1_gib(bench: Bench) -> None:
    """Finding 1 % slow lines, beside grep and ripgrep; memory."""
    path = bench.log(bench.scaled(GIB))
    check = counts(counted(path))
    analyze = Command((analyze_command(bench.slowq, str(path)),), check)
    commands = {
        "log: grep -cF": Command((grep_command("grep", str(path)),)),
        "log: rg -cF": Command((grep_command("rg", str(path)),)),
        "log: slowq analyze": analyze,
        "log: slowq analyze --jobs 1": Command((analyze_command(bench.slowq, str(path), 1),), check),
        "log: slowq extraction": Command((extraction_command(bench.slowq, str(path)),), check),
    }
    if bench.lack("log: rg -cF", peers.RIPGREP):
        bench.rows.append(Row("log: beside ripgrep", "", bench.missing["log: rg -cF"]))
    bench.measure(commands, bench.rounds(5))
    bench.measure_memory("log: slowq analyze", analyze)
    size = _size(path)
    bench.at_most(f"{size}, 1 % slow: analyze", 2.0, "grep -cF", ("log: slowq analyze", "log: grep -cF"))
    bench.at_most(f"{size}, 1 % slow: extraction", 0.75, "grep -cF", ("log: slowq extraction", "log: grep -cF"))
    bench.memory(f"{size}, 1 % slow: peak memory", 150, "log: slowq analyze")


def log_of_4_gib(bench: Bench) -> None:
    """The same on a file where starting up no longer matters."""
    path = bench.log(bench.scaled(4 * GIB))
    commands = {
        "big log: grep -cF": Command((grep_command("grep", str(path)),)),
        "big log: slowq analyze": Command((analyze_command(bench.slowq, str(path)),), counts(counted(path))),
    }
    bench.measure(commands, bench.rounds(3))
    names = ("big log: slowq analyze", "big log: grep -cF")
    bench.at_most(f"{_size(path)}, 1 % slow: analyze", 1.2, "grep -cF", names)


def slow_lines_only(bench: Bench) -> None:
    """A log that is slow from end to end, beside pgBadger and pt-query-digest on as many entries of their own."""
    entries = bench.scaled(500_000)
    count = ("--slow-lines", str(entries))
    path = bench.input(f"{entries}-slow.log", generator(*count, "--slow-share", "1"))
    megabytes, check = path.stat().st_size / 1e6, counts(entries)
    commands = {f"slow only: {what}": command for what, command in _ways_to_read(bench, path, check).items()}
    bench.measure(commands, bench.rounds(5))
    bench.measure(_trade_peers(bench, entries, count), bench.rounds(2))
    one, two = ("slow only: slowq {} --jobs " + jobs for jobs in "12")
    analyze, extraction = one.format("analyze"), one.format("extraction")
    what = f"{entries:,} slow lines: "
    bench.number(f"{what}extraction", 300_000, "lines/s/core", extraction, lambda timing: entries / timing.cpu_s)
    bench.number(f"{what}analyze", 100, "MB/s/core", analyze, lambda timing: megabytes / timing.cpu_s)
    bench.times_cheaper(f"{what}analyze", 20, "pgBadger", (analyze, "slow only: pgBadger"), entries)
    bench.times_cheaper(f"{what}analyze", 8, "pt-query-digest", (analyze, "slow only: pt-query-digest"), entries)
    bench.times_faster(f"{what}analyze --jobs 2", 1.7, "--jobs 1", (two.format("analyze"), analyze))
    bench.times_faster(f"{what}extraction --jobs 2", 1.7, "--jobs 1", (two.format("extraction"), extraction))


def _ways_to_read(bench: Bench, path: Path, check: Callable[[Path], None]) -> dict[str, Command]:
    ways = {"grep -cF": Command((grep_command("grep", str(path)),))}
    for jobs in (1, 2):
        ways[f"slowq analyze --jobs {jobs}"] = Command((analyze_command(bench.slowq, str(path), jobs),), check)
        ways[f"slowq extraction --jobs {jobs}"] = Command((extraction_command(bench.slowq, str(path), jobs),), check)
    return ways


def _trade_peers(bench: Bench, entries: int, count: tuple[str, str]) -> dict[str, Command]:
    commands = {}
    if not bench.lack("slow only: pgBadger", peers.PGBADGER):
        log = bench.input(f"{entries}-postgres.log", generator("--pgbadger", *count))
        report = bench.folder / "pgbadger.json"
        commands["slow only: pgBadger"] = Command((peers.pgbadger_command(log, report),))
    if not bench.lack("slow only: pt-query-digest", peers.PT_QUERY_DIGEST):
        log = bench.input(f"{entries}-mysql.log", generator("--mysql-slow", *count))
        commands["slow only: pt-query-digest"] = Command((peers.pt_query_digest_command(log),))
    return commands


def compressed(bench: Bench) -> None:
    """The log of 1 GiB as gzip and as zstd, beside gzip and grep in a pipe."""
    plain = bench.log(bench.scaled(GIB))
    check = counts(counted(plain))
    name = plain.name.partition("-")[2]
    gz = bench.input(f"{name}.gz", ["gzip", "-c", str(plain)])
    zst = bench.input(f"{name}.zst", ["cat", str(plain)], [sys.executable, "-c", ZSTD])
    commands = {
        "gzip -dc | grep -cF": Command((["gzip", "-dc", str(gz)], ["grep", "-cF", MARK])),
        "gz: slowq analyze": Command((analyze_command(bench.slowq, str(gz)),), check),
        "zst: slowq analyze": Command((analyze_command(bench.slowq, str(zst)),), check),
    }
    bench.measure(commands, bench.rounds(3))
    for kind in ("gz", "zst"):
        names = (f"{kind}: slowq analyze", "gzip -dc | grep -cF")
        bench.times_faster(f"{_size(plain)} as .{kind}: analyze", 4, "gzip -dc | grep -cF", names)


def stream(bench: Bench) -> None:
    """10 GiB with a million slow lines from a pipe: memory."""
    size, entries = bench.scaled(10 * GIB), bench.scaled(1_000_000)
    write = generator("--size", f"{size // MIB}MiB", "--slow-lines", str(entries))
    command = Command((write, analyze_command(bench.slowq, "-")), counts(entries))
    bench.measure_memory("stream: slowq analyze -", command)
    what = f"{size / GIB:.4g} GiB stream, {entries:,} slow: peak memory"
    bench.memory(what, 600, "stream: slowq analyze -")


def start_up(bench: Bench) -> None:
    """What one waits for where there is next to nothing to do."""
    path = bench.log(MIB)
    commands = {
        "start: python -c ''": Command(([sys.executable, "-c", ""],)),
        "start: slowq --help": Command(([bench.slowq, "--help"],)),
        "start: slowq analyze, 1 MiB": Command((analyze_command(bench.slowq, str(path)),), counts(counted(path))),
    }
    bench.measure(commands, bench.rounds(START_UP_ROUNDS))
    bench.seconds("slowq --help, less python -c ''", 0.12, ("start: slowq --help", "start: python -c ''"))
    bench.seconds("1 MiB: analyze", 0.8, ("start: slowq analyze, 1 MiB",))


PARTS = {
    "start-up": start_up,
    "log": log_of_1_gib,
    "big-log": log_of_4_gib,
    "slow-only": slow_lines_only,
    "compressed": compressed,
    "stream": stream,
}


def _size(path: Path) -> str:
    mib = round(path.stat().st_size / MIB)
    return f"{mib // 1024} GiB" if mib >= 1024 else f"{mib} MiB"


# --- The report -------------------------------------------------------------------------------------------------------


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    cpus = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in cpus if line.startswith("model name")), "unknown")
    memory = _memory_kib()
    return {
        "cpu": f"{model}, {len(os.sched_getaffinity(0))} cores",
        "memory": f"{memory['MemTotal'] / MIB:.0f} GiB, {memory['MemAvailable'] / MIB:.0f} GiB of it free",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }


def versions(slowq: str) -> dict[str, str]:
    """The programs, in their own words."""
    own = peers.Peer(slowq, "-", "slowq")
    found = {peer.program: peer.version() for peer in peers.PEERS}
    return {"slowq": own.version() if own.installed else f"not found: {slowq}"} | found


def show(bench: Bench, facts: dict[str, str]) -> None:
    """The whole report, as text."""
    for name, value in facts.items():
        print(f"{name:16} {value}")
    uncached = f", but for {', '.join(bench.uncached)}" if bench.uncached else ""
    print(f"{'inputs':16} {bench.folder}, each read once before it is measured: in the page cache{uncached}")
    print(
        f"\n{'seconds, MiB':44} {'wall min':>9} {'median':>9} {'CPU min':>9} {'median':>9} {'peak RSS':>9} {'runs':>5}"
    )
    for name, timing in bench.timings.items():
        print(f"{name:44} {timing}")
    for name, peaks in bench.memory_mib.items():
        print(
            f"{name:44} peak: {peaks['largest_process']:.0f} MiB largest process, {peaks['process_tree']:.0f} all (PSS)"
        )
    for name, reason in bench.missing.items():
        print(f"{name:44} {reason}")
    own_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"peak RSS: of the largest process; each begins as a copy of this one, so none has less than {own_mib:.0f} MiB"
    )
    _show_targets(bench)


def _show_targets(bench: Bench) -> None:
    width = max((len(row.what) for row in bench.rows), default=4)
    print(f"\n{'':{width}}  {'target':28} {'measured':32} {'ratio':>8}")
    for row in bench.rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        verdict = {True: "met", False: "not met", None: ""}[row.met]
        print(f"{row.what:{width}}  {row.target:28} {row.measured:32} {ratio:>8}  {verdict}".rstrip())
    print("\nratio: to the peer where the target names one, else to the target; all by the least of the runs")
    load, cores = os.getloadavg()[2], len(os.sched_getaffinity(0))
    if load > cores:
        print(
            f"The machine was busy: mean load {load:.1f} on {cores} cores in the last 15 minutes. Mistrust wall times."
        )
    if bench.smaller > 1:
        print(f"Inputs were {bench.smaller} times smaller than those that the targets are meant for.")


def as_json(bench: Bench, facts: dict[str, str]) -> str:
    """Every figure, for other programs."""
    document = {
        "facts": facts,
        "inputs": f"1/{bench.smaller}",
        "timings": {name: timing.as_json() for name, timing in bench.timings.items()},
        "memory_mib": bench.memory_mib,
        "missing": bench.missing,
        "targets": [{name: getattr(row, name) for name in Row.__slots__} for row in bench.rows],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure slowq beside grep, ripgrep, pgBadger and pt-query-digest.")
    parser.add_argument("--quick", action="store_true", help="inputs an eighth the size, at most three runs of each")
    parser.add_argument("--only", choices=PARTS, action="append", help="one part; may be given again")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write every figure to this file too")
    parser.add_argument("--dir", type=Path, default=Path(tempfile.gettempdir(), "slowq-bench"), help="where inputs lie")
    parser.add_argument("--slowq", metavar="PROGRAM", help="the slowq to measure, if not this Python's own")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> int:
    """Measure, print, and say by the exit code whether every command ran."""
    arguments = _arguments(given)
    arguments.dir.mkdir(parents=True, exist_ok=True)
    smaller, most_rounds = (8, 3) if arguments.quick else (1, ALL)
    bench = Bench(arguments.dir.resolve(), slowq_program(arguments.slowq), smaller, most_rounds)
    facts = machine() | versions(bench.slowq)
    for name in arguments.only or PARTS:
        try:
            PARTS[name](bench)
        except CommandFailedError as error:
            bench.missing[name] = f"FAILED: {error}"
    show(bench, facts)
    if arguments.json:
        arguments.json.write_text(as_json(bench, facts))
    failed = [name for name, reason in bench.missing.items() if reason.startswith("FAILED")]
    if failed:
        print(f"\n{len(failed)} could not be measured: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
