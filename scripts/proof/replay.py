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
    ended = sum(n for key, n in expected["tallies"].items() if key.startswith("primary_reasons/"))
    lab.wait_for("the scheduler to catch up", lambda: total(service, "cartwake_abandonments_total") >= wanted
                 and total(service, "cartwake_primary_reasons_total") >= ended, 60)
    stored = service.tallies()
    counted = expected["tallies"]
    sums = {}
    for (_, name), count in stored.items():
        sums[name] = sums.get(name, 0) + count
    # Reminders and deliveries are of no raw file; everything else that the service counted must have been counted here.
    # What the reports are made of is held against the raw files in reports.py.
    elsewhere = ("reminders", "abandoned_value", "attributed", "reason_value", "order", "funnel", "stage_time")
    ours = {name: count for name, count in sums.items() if not name.startswith(elsewhere)}
    different = {name: (ours.get(name, 0), counted.get(name, 0)) for name in {*ours, *counted}
                 if ours.get(name, 0) != counted.get(name, 0)}
    for name, (here, there) in sorted(different.items()):
        print(f"      {name}: {here} in the store, {there} counted")
    lab.check(f"{source} on {store}: all {len(counted)} counts agree: {json.dumps(ours)}", not different)
    # Prices are of no raw file either, but what was lost is lost for one reason each time.
    lost = sum(count for name, count in sums.items() if name.startswith("abandoned_value_minor/"))
    by_reason = sum(count for name, count in sums.items() if name.startswith("reason_value_minor/"))
    lab.check(f"{source} on {store}: {lost} lost by stage, {by_reason} by reason", lost == by_reason > 0)
    for reason, window in expected.get("incident_windows", {}).items():
        first, last = window["days"].split("..")
        inside = outside = 0
        for (day, name), count in stored.items():
            if name.startswith("reasons/") and f"/{reason}/" in name:
                if first <= day <= last:
                    inside += count
                else:
                    outside += count
        lab.check(f"{source} on {store}: {reason} {inside} inside {window['days']}, {outside} outside",
                  (inside, outside) == (window["inside"], window["outside"]))
    service.stop()


def total(service, name):
    return sum(value for (found, _), value in service.metrics().items() if found == name)


lab.ensure_binary()
if len(sys.argv) < 2:
    raise SystemExit(__doc__)
for source in ("ecom", "snowplow"):
    for store in sys.argv[2:] or lab.STORES:
        run(pathlib.Path(sys.argv[1]), source, store)
