#!/usr/bin/env python3
"""Takes each guard out, one at a time, and sees which test notices: a guard that nobody misses is not tested.

Works on a copy in target/mutations, built once; which guard is out is said by the environment when the tests run.
Usage: scripts/proof/mutations/run.py [WORD...]   only guards whose name or file has the word; exit 1 when one was not missed
CARTWAKE_PREFIX, such as `nice`, is put before each build and each run of tests.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

from guards import GUARDS

ROOT = pathlib.Path(__file__).resolve().parents[3]
COPY = ROOT / "target" / "mutations"
# Not that of the project: cargo takes what is built here for the project itself, with the guards in it that can be out.
BUILT = ROOT / "target" / "mutations-built"
PREFIX = os.environ.get("CARTWAKE_PREFIX", "").split()
SWITCH = '''
/// Whether this guard is taken out in this run.
#[doc(hidden)]
#[must_use]
pub fn is_out(guard: &str) -> bool {
    static OUT: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    #[expect(clippy::disallowed_methods, reason = "a copy for the mutation run")]
    let out = OUT.get_or_init(|| std::env::var("CARTWAKE_GUARD_OUT").unwrap_or_default());
    out == guard
}
'''
# The parts that notice, from the quick to the slow; a run ends with the first that does.
PARTS = [("unit tests", ["--lib"], ["domain::", "engine::", "store::"]), ("guards", ["--test", "it"], ["guards::"]),
         ("conformance", ["--test", "it"], ["store::"]),
         ("stories", ["--test", "it"], ["stories::", "redis_only::"]),
         ("simulation", ["--test", "it"], ["sim::nothing_is_lost", "sim::handing", "sim::looks", "sim::stopped"]),
         ("edges", ["--test", "it"], ["sealing::", "stopping::", "idle::", "expiry::"])]


def make_copy():
    shutil.rmtree(COPY, ignore_errors=True)
    known = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True,
                           capture_output=True, text=True).stdout
    for name in filter(None, known.split("\0")):
        if (ROOT / name).is_file():
            (COPY / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, COPY / name)
    (COPY / "target").mkdir()
    (COPY / "target" / "valkey").symlink_to(ROOT / "target" / "valkey")


def take_out():
    lua = {}
    for name, path, old, new in GUARDS:
        if path.endswith(".lua"):
            text = (COPY / path).read_text()
            assert text.count(old) == 1, f"{name}: {text.count(old)} places in {path}"
            lua.setdefault(path.rsplit("/", 1)[1], []).append((name, old, new))
            continue
        file = COPY / path
        text = file.read_text()
        assert text.count(old) >= 1, f"{name}: not found in {path}"
        if "{OUT}" not in new:
            new = new.replace("OUT", f'crate::is_out("{name}")')
        file.write_text(text.replace(old, new, 1))
    script = COPY / "src/store/redis/script.rs"
    text = script.read_text()
    for file, guards in lua.items():
        arms = "".join(f'.replace(if crate::is_out("{name}") {{ {raw(old)} }} else {{ "\\u{{0}}" }}, {raw(new)})'
                       for name, old, new in guards)
        assert f'include_str!("{file}"))' in text, f"{file} is included in another way"
        text = text.replace(f'include_str!("{file}"))', f'&include_str!("{file}").to_owned(){arms})')
    script.write_text(text)
    special(COPY / "src/store/embedded/carts.rs", COPY / "src/store/embedded/outbox.rs")
    with open(COPY / "src/lib.rs", "a", encoding="utf-8") as lib:
        lib.write(SWITCH)


def special(carts, outbox):
    """Where the guard is in the middle of SQL."""
    text = carts.read_text()
    name = "a commit is over the version that was read (embedded)"
    text = text.replace("(version = ? OR {OUT})\"", "(version = ? OR {out})\", out = i32::from(crate::is_out(\"" + name + "\"))")
    carts.write_text(text)
    text = outbox.read_text()
    at = text.index("REPLACE INTO deliveries")
    text = text[:at] + text[at:].replace('?, ?, 0)")?', '?, ?, 0)" })?', 1)
    outbox.write_text(text)


def raw(text):
    return 'r#"' + text + '"#'


def cargo(*words, **more):
    env = {**os.environ, "CARGO_TARGET_DIR": str(BUILT)}
    return subprocess.run([*PREFIX, "cargo", *words], cwd=COPY, env=env, check=False, **more)


def binaries():
    """The paths of the built tests: (lib, it)."""
    done = cargo("test", "--locked", "--no-run", "--lib", "--test", "it", capture_output=True, text=True)
    found = re.findall(r"Executable .*\((.*)\)", done.stderr)
    if done.returncode or len(found) != 2:
        raise SystemExit(done.stderr[-6000:])
    return {"--lib": COPY / found[0], "it": COPY / found[1]}


def notice(built, guard, path=""):
    """Which part notices, and the first test that does. No store knows a guard of the domain."""
    for part, what, filters in PARTS:
        if part == "conformance" and path.startswith("src/domain/"):
            continue
        binary = built[what[-1]]
        env = {**os.environ, "CARTWAKE_GUARD_OUT": guard, "CARGO_MANIFEST_DIR": str(COPY)}
        try:
            done = subprocess.run([*PREFIX, binary, *filters, "--test-threads", "4"], cwd=COPY, env=env, capture_output=True,
                                  text=True, timeout=420, check=False)
        except subprocess.TimeoutExpired:
            return part, "(hangs)"
        if done.returncode:
            failed = re.findall(r"^test (\S+) \.\.\. FAILED", done.stdout, re.MULTILINE)
            broken = re.findall(r"^seed \d+: (.*)$", done.stdout + done.stderr, re.MULTILINE)
            return part, f"{failed[0] if failed else '?'} and {max(0, len(failed) - 1)} more" + (f" ({broken[0][:90]})" if broken else "")
    return None


def main(words):
    make_copy()
    take_out()
    began = time.monotonic()
    built = binaries()
    print(f"built in {time.monotonic() - began:.0f} s", flush=True)
    sound = notice(built, "")
    if sound:
        raise SystemExit(f"with every guard in place a test fails already: {sound}")
    chosen = [(name, path) for name, path, *_ in GUARDS if not words or any(word in f"{name} {path}" for word in words)]
    missed = 0
    for name, path in chosen:
        seen = notice(built, name, path)
        missed += seen is None
        print(f"{'NOT MISSED' if seen is None else 'missed by'} {'' if seen is None else seen[0] + ': ' + seen[1]}   <- {name}", flush=True)
    print(f"{len(chosen) - missed} of {len(chosen)} guards are missed when they are out")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
