#!/usr/bin/env python3
"""Six months of a shop with two known incidents, with Prometheus watching: do the alarms ring then, and only then?

Usage: incidents.py DATA_DIR; DATA_DIR holds ecom/.

The recorded sessions are played into a running service in their own time, ten minutes a step; at each step its /metrics
is read, as Prometheus would have. The readings, under the time they were taken at in the shop, go into a private
Prometheus; there the recording rules of deploy/prometheus are evaluated over the six months, then the alerts. Prints the
series by week and when each alert fired. Needs `prometheus`; takes some minutes.
"""

import collections
import datetime
import http.client
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import lab
import watch

STEP_S = 600
HOUR_S, DAY_S = 3600, 86_400
FAMILIES = ("cartwake_stage_entered_total", "cartwake_checkout_errors_total", "cartwake_abandonments_total",
            "cartwake_abandonment_reasons_total", "cartwake_conversions_total", "cartwake_cart_events_total")
#: What the data set's own description says, and what the runbook promises of each severity, in seconds: from the fifth cart
#: that met an error within a day (or a week) to the alarm, and from the last one to its end.
INCIDENTS = {
    "payment_error": ("CartwakePaymentErrors", "2024-05-19", "2024-06-08"),
    "technical_error": ("CartwakeTechnicalErrors", "2024-04-09", "2024-05-09"),
}
WINDOW_S = {"critical": DAY_S, "warning": 7 * DAY_S}
DELAY_S = {"critical": 15 * 60, "warning": 90 * 60}
END_S = {"critical": DAY_S + 7 * HOUR_S, "warning": 3 * DAY_S + 2 * HOUR_S}


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).replace(tzinfo=datetime.timezone.utc).timestamp()


def day(at):
    return time.strftime("%Y-%m-%d", time.gmtime(at))


def minute(at):
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(at))


class Shop:
    """A service that lives in recorded time, and its readings: {series: {seconds: value}}."""

    def __init__(self):
        self.service = lab.Service("embedded", None, "", 'clock = "events"\n[scheduler]\npoll = "10ms"\n')
        self.call = self.service.client()
        self.ops = http.client.HTTPConnection("127.0.0.1", self.service.ops_port, timeout=20)
        self.heard_at = 0
        self.ticks, self.readings = [], collections.defaultdict(dict)

    def ask_ops(self, method, path, body=None):
        status, text, _ = lab.request(self.ops, method, path, body, lab.ADMIN_KEY)
        assert status in (200, 204), (status, text)
        return text

    def play(self, operation):
        kind, cart_id, body = operation["op"], operation.get("cart_id"), dict(operation.get("body") or {})
        if kind == "put":
            answer = self.call("PUT", f"/v1/carts/{cart_id}", {"occurred_at": operation["at"], **body})
        elif kind == "signal":
            answer = self.call("POST", f"/v1/carts/{cart_id}/signals", {"at": operation["at"], **body})
        elif kind == "order":
            answer = self.call("POST", "/v1/orders", {"placed_at": operation["at"], **body})
        else:
            return
        assert answer[0] in (200, 201), answer
        self.heard_at = seconds(operation["at"])

    def tick(self, at):
        """The clock moves to this moment; when all that was due by then is decided, the metrics are read."""
        self.ask_ops("POST", "/v1/clock", {"at": lab.rfc3339(at)})
        for _ in range(2_000):
            lines = self.ask_ops("GET", "/metrics").splitlines()
            due = next(line for line in lines if line.startswith("cartwake_oldest_due_age_seconds "))
            if due.endswith(" 0"):
                break
            time.sleep(0.005)
        else:
            raise SystemExit(f"what is due at {minute(at)} is not decided")
        self.ticks.append(at)
        for line in lines:
            if line.startswith(FAMILIES):
                series, value = line.rsplit(" ", 1)
                self.readings[series][at] = int(value)


def replay(sessions, shop):
    operations = [json.loads(line) for line in open(sessions)]
    first, last = seconds(operations[0]["at"]), seconds(operations[-1]["at"])
    tick = int(first // DAY_S) * DAY_S
    shop.tick(tick)
    for operation in operations:
        while tick + STEP_S <= seconds(operation["at"]):
            tick += STEP_S
            shop.tick(tick)
        shop.play(operation)
    while tick < last:
        tick += STEP_S
        shop.tick(tick)
    return len(operations)


def as_lines(readings, labels):
    """Readings as the lines of a page; what never moved says nothing and is left out, but for what an alert waits for."""
    lines = []
    for series, points in sorted(readings.items()):
        if len(set(points.values())) > 1 or "checkout_errors" in series:
            name = series.replace("{", "{" + labels + ",", 1)
            lines.extend(f"{name} {value} {at * 1000}\n" for at, value in points.items())
    return lines


def record(prometheus, past, start, end):
    """Evaluates the recording rules over the past, in the order in which they rest on each other."""
    rules = prometheus.rules("recording")
    known = {rule["name"] for rule in rules}
    done = set()
    while rules:
        ready = [rule for rule in rules if all(name not in rule["query"] or name in done for name in known)]
        lines = []
        for rule in ready:
            for labels, points in prometheus.between(rule["query"], start, end, STEP_S).items():
                text = ",".join(f'{name}="{value}"' for name, value in labels if name != "__name__")
                lines.extend(f"{rule['name']}{{{text}}} {value!r} {at * 1000}\n" for at, value in points)
        past.hand_over(lines)
        done |= {rule["name"] for rule in ready}
        rules = [rule for rule in rules if rule not in ready]


def firing(prometheus, rule, start, end):
    """[(from, until)] in which the alert fired: true for as long as its `for` says, and on through shorter lulls."""
    held, kept = int(-(-rule["duration"] // STEP_S) * STEP_S), int(rule.get("keepFiringFor", 0))
    windows = []
    for points in prometheus.between(rule["query"], start, end, STEP_S).values():
        of_series, run = [], []
        for at, _ in [*points, (float("inf"), 0)]:
            if run and at > run[-1] + STEP_S:
                fired, ended = run[0] + held, run[-1] + kept
                if of_series and run[0] <= of_series[-1][1]:
                    of_series[-1] = (of_series[-1][0], ended)
                elif run[-1] >= fired:
                    of_series.append((fired, ended))
                run = []
            run.append(at)
        windows += of_series
    return sorted(windows)


def met(readings, reason):
    """When carts met an error: one moment a cart, as late as the reading that showed it."""
    moments = []
    for series, points in readings.items():
        if series.startswith("cartwake_checkout_errors_total") and f'reason="{reason}"' in series:
            before = 0
            for at, value in points.items():
                moments.extend([at] * (value - before))
                before = value
    return sorted(moments)


def print_weeks(readings, start):
    def weekly(*parts):
        sums = collections.Counter()
        for series, points in readings.items():
            if all(part in series for part in parts):
                before = 0
                for at, value in points.items():
                    sums[(at - start - 1) // (7 * DAY_S)] += value - before
                    before = value
        return sums
    columns = {
        "carts": weekly("stage_entered", 'stage="cart"'), "at payment": weekly("stage_entered", 'stage="payment"'),
        "left": weekly("abandonments_total"),
        "left: payment": weekly("abandonment_reasons", "payment_error"),
        "left: technical": weekly("abandonment_reasons", "technical_error"),
        "met: payment": weekly("checkout_errors", "payment_error"),
        "met: technical": weekly("checkout_errors", "technical_error"),
    }
    print("week of      " + "".join(f"{name:>16}" for name in columns))
    for week in range(max(max(column, default=0) for column in columns.values()) + 1):
        print(f"{day(start + week * 7 * DAY_S)}   " + "".join(f"{column[week]:>16}" for column in columns.values()))


def check_incident(reason, alert, first, last, windows, moments):
    opened, closed = seconds(first), seconds(last) + DAY_S
    for severity in ("critical", "warning"):
        span = WINDOW_S[severity]
        fifth = next((fifth for fifth, first_of in zip(moments[4:], moments) if fifth - first_of < span), None)
        fired = [window for rule, of, window in windows if rule == alert and of == severity]
        if fifth is None:
            lab.check(f"{alert} {severity}: never five carts within {span // DAY_S} d, and it never fired", not fired)
            continue
        lab.check(f"{alert} {severity}: fired {minute(fired[0][0])}, "
                  f"{(fired[0][0] - fifth) // 60} min after the fifth cart ({minute(fifth)}), {DELAY_S[severity] // 60} promised",
                  fired[0][0] - fifth <= DELAY_S[severity])
        lab.check(f"{alert} {severity}: never before the incident ({first}), and over {minute(fired[-1][1])}, "
                  f"{(fired[-1][1] - moments[-1]) / HOUR_S:.0f} h after its last cart",
                  fired[0][0] >= opened and fired[-1][1] <= moments[-1] + END_S[severity])
    lab.check(f"{reason}: all {len(moments)} carts that met one did so inside {first}..{last}",
              all(opened <= at <= closed for at in moments))


def main():
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    lab.ensure_binary()
    began = time.monotonic()
    source = pathlib.Path(sys.argv[1]) / "ecom"
    sessions = pathlib.Path(tempfile.mkdtemp()) / "ecom.ndjson"
    subprocess.run([sys.executable, lab.ROOT / "scripts" / "convert_sessions.py", "ecom", source, sessions], check=True,
                   stdout=subprocess.DEVNULL)
    shop = Shop()
    try:
        count = replay(sessions, shop)
        stored = shop.service.tallies()
    finally:
        shop.service.stop()
    start, end = shop.ticks[0], shop.ticks[-1]
    print(f"{count} operations over {(end - start) // DAY_S} days, /metrics read {len(shop.ticks)} times, "
          f"{time.monotonic() - began:.0f} s")
    print_weeks(shop.readings, start)

    past = watch.Past()
    prometheus = watch.Prometheus(past=past)
    try:
        past.hand_over(as_lines(shop.readings, 'job="cartwake",instance="replay:8081"'))
        record(prometheus, past, start, end)
        windows = [(rule["name"], rule["labels"]["severity"], window) for rule in prometheus.rules("alerting")
                   if "shop:" in rule["query"] or "shop_reason:" in rule["query"]
                   for window in firing(prometheus, rule, start, end)]
    finally:
        prometheus.stop()
    print(f"alerts, over the same days ({time.monotonic() - began:.0f} s so far):")
    for name, severity, (fired, ended) in windows:
        print(f"      {name:<26} {severity:<9} {minute(fired)} .. {minute(ended)}")

    for reason, (alert, first, last) in INCIDENTS.items():
        of_day = collections.Counter()
        for (on, name), tally in stored.items():
            if name.startswith("reasons/") and f"/{reason}/" in name:
                of_day[on] += tally
        lab.check(f"{reason}: given as the reason of {sum(of_day.values())} abandonments, all of them in {first}..{last}",
                  of_day and all(first <= on <= last for on in of_day))
        moments = met(shop.readings, reason)
        tallied = sum(tally for (_, name), tally in stored.items() if name.startswith("checkout_errors/") and reason in name)
        lab.check(f"{reason}: the counters say what the store has counted, {tallied} carts", len(moments) == tallied)
        check_incident(reason, alert, first, last, windows, moments)
    first, last = seconds(INCIDENTS["payment_error"][1]), seconds(INCIDENTS["payment_error"][2]) + 8 * DAY_S
    jumps = [window for name, _, window in windows if name == "CartwakeAbandonmentJump"]
    lab.check(f"more carts than usual are left ({len(jumps)} times) while payments fail, and at no other time",
              all(first <= fired and ended <= last for fired, ended in jumps))
    silent = [window for name, _, window in windows if name == "CartwakeShopSilent"]
    lab.check(f"the shop is silent when the recording has ended ({minute(shop.heard_at)}), and at no other time",
              silent and all(fired >= shop.heard_at for fired, _ in silent))
    known = {"CartwakePaymentErrors", "CartwakeTechnicalErrors", "CartwakeAbandonmentJump", "CartwakeShopSilent"}
    lab.check("no other alert fired", {name for name, _, _ in windows} <= known)


main()
