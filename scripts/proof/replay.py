#!/usr/bin/env python3
"""Recorded sessions, replayed over HTTP into a running server on each store, counted as an independent script counts.

Usage: replay.py DATA_DIR [embedded] [redis]; DATA_DIR holds ecom/ and snowplow/.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import lab

METRICS = {  # a tally's first word -> the metric and the labels that its other words are
    "abandonments": ("cartwake_abandonments_total", ("stage",)),
    "reasons": ("cartwake_abandonment_reasons_total", ("stage", "reason", "source")),
    "conversions": ("cartwake_conversions_total", ("attribution",)),
    "stage_entered": ("cartwake_stage_entered_total", ("stage",)),
}
SCRIPTS = lab.ROOT / "scripts"


def run(data, source, store):
    sessions = pathlib.Path(tempfile.mkdtemp()) / f"{source}.ndjson"
    subprocess.run([sys.executable, SCRIPTS / "convert_sessions.py", source, data / source, sessions],
                   check=True, stdout=subprocess.DEVNULL)
    counted = subprocess.run([sys.executable, SCRIPTS / "count_sessions.py", source, data / source],
                             check=True, capture_output=True, text=True)
    expected = json.loads(counted.stdout)
    service = lab.Service(store, None, "", 'clock = "events"')
    result = subprocess.run(
        [lab.BINARY, "replay", sessions, "--to", f"http://127.0.0.1:{service.port}", "--key", lab.SERVER_KEY,
         "--ops", f"http://127.0.0.1:{service.ops_port}", "--admin-key", lab.ADMIN_KEY],
        capture_output=True, text=True)
    lab.check(f"{source} on {store}: every line was taken", result.returncode == 0)
    wanted = sum(n for key, n in expected["tallies"].items() if key.startswith("abandonments/"))
    lab.wait_for("the scheduler to catch up", lambda: total(service, "cartwake_abandonments_total") >= wanted, 60)
    metrics = service.metrics()
    different = []
    for key, count in expected["tallies"].items():
        word, *rest = key.split("/")
        if word not in METRICS:
            continue
        name, labels = METRICS[word]
        series = frozenset({("shop", "proof"), *zip(labels, rest)})
        found = metrics.get((name, series), 0)
        if found != count:
            different.append(f"{key}: {found:.0f} here, {count} counted")
    for line in different:
        print("      " + line)
    sums = {word: sum(n for key, n in expected["tallies"].items() if key.startswith(word)) for word in METRICS}
    lab.check(f"{source} on {store}: all {len(expected['tallies'])} counts agree: {sums}", not different)
    if "incident_windows" in expected:
        print(f"      incident windows, counted: {json.dumps(expected['incident_windows'])}")
        print_reasons(metrics)
    service.stop()


def print_reasons(metrics):
    found = {}
    for (name, labels), value in metrics.items():
        if name == "cartwake_abandonment_reasons_total":
            reason = dict(labels)["reason"]
            found[reason] = found.get(reason, 0) + int(value)
    print(f"      reasons, by the service: {found}")


def total(service, name):
    return sum(value for (found, _), value in service.metrics().items() if found == name)


lab.ensure_binary()
if len(sys.argv) < 2:
    raise SystemExit(__doc__)
for source in ("ecom", "snowplow"):
    for store in sys.argv[2:] or lab.STORES:
        run(pathlib.Path(sys.argv[1]), source, store)
