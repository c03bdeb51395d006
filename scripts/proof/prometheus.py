#!/usr/bin/env python3
"""Every expression of the dashboard and of the rules, evaluated by a real Prometheus that scraped a demo run.

Usage: prometheus.py

Starts `cartwake demo` with a private Prometheus watching, then: every rule is healthy, every panel's expressions give
something, every metric that docs/metrics.md names is there and is shown or watched, and no expression names one that is
not. Needs `prometheus`; takes about a minute.
"""

import json
import math
import re
import signal
import subprocess

import lab
import watch

DASHBOARD = lab.ROOT / "deploy" / "grafana" / "dashboards" / "cartwake.json"
#: Grafana's own variables, as they are while the whole run is looked at.
VARIABLES = {"$__rate_interval": "5m", "$__range": "5m", "$job": ".*", "$shop": ".*"}
#: What a minute need not have: a past of days, an endpoint that was disabled, a shopper who says what we guessed or denies it
#: often; and the demo's shop has neither an experiment nor incentives, and no platform sends it webhooks.
MAY_BE_EMPTY = ("usual_share", "share1d", "endpoint_disabled", "reason_agreement", "rule_demoted", "experiment_", "incentives",
                "platform_events")
#: Metrics whose first series comes with a configuration or a first event that the demo need not have.
SELDOM = ("cartwake_reason_agreement_total", "cartwake_rule_demoted", "cartwake_incentives_total", "cartwake_platform_events_total",
          "cartwake_experiment_persons_total", "cartwake_experiment_orders_total", "cartwake_experiment_value_minor_total")
METRIC = re.compile(r"(?<![:\w])((?:cartwake|process)_[a-z0-9_]+)(?![:\w])")
LABELS = re.compile(r"\b(?:by|on|without|group_left|group_right) ?\([^)]*\)")


class Demo:
    """A demo run that keeps serving when the show is over."""

    def __init__(self):
        self.process = subprocess.Popen([str(lab.BINARY), "demo", "--speed", "20000", "--hold"], text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.told = []
        self.target = self.read_until("metrics ").split("//")[1].split("/")[0]

    def read_until(self, words):
        for line in self.process.stdout:
            self.told.append(line.rstrip())
            if words in line:
                return line
        raise SystemExit("\n".join(self.told))

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=60)


def panels():
    """[(title, expression)] as Prometheus gets them."""
    found = []
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", []):
            expression = target["expr"]
            for name, value in VARIABLES.items():
                expression = expression.replace(name, value)
            found.append((panel["title"], expression))
    return found


def names(expression):
    return set(METRIC.findall(LABELS.sub("", expression)))


def main():
    lab.ensure_binary()
    demo = Demo()
    prometheus = watch.Prometheus([demo.target])
    try:
        demo.read_until("still serving")
        # What was counted last is scraped, and the rules are evaluated on it.
        scraped = lambda: prometheus.query('count_over_time(up{job="cartwake"}[10m])')[0][1]
        enough = scraped() + 3
        lab.wait_for("three more scrapes", lambda: scraped() >= enough)
        look(prometheus)
        print("the demo's last words:\n" + "\n".join(demo.told[-12:]))
    finally:
        demo.stop()
        prometheus.stop()


def look(prometheus):
    rules = prometheus.rules("recording") + prometheus.rules("alerting")
    sick = [(rule["name"], rule.get("lastError")) for rule in rules if rule["health"] != "ok"]
    lab.check(f"all {len(rules)} rules are evaluated without an error {sick or ''}", not sick)
    known = set(prometheus.ask("label/__name__/values"))
    shown = panels()
    empty, faulty = [], []
    for title, expression in shown:
        answer = prometheus.query(expression)
        if not answer and not any(part in expression for part in MAY_BE_EMPTY):
            empty.append((title, expression))
        if answer and all(math.isnan(value) for _, value in answer):
            faulty.append((title, expression))
    lab.check(f"all {len(shown)} expressions of the dashboard give something {empty or ''}", not empty)
    lab.check(f"none of them gives nothing but NaN {faulty or ''}", not faulty)

    expressions = [expression for _, expression in shown] + [rule["query"] for rule in rules]
    unknown = set().union(*(names(expression) for expression in expressions)) - known - set(SELDOM)
    lab.check(f"no expression names a metric that is not there {sorted(unknown) or ''}", not unknown)
    documented = re.findall(r"^\| `(cartwake_\w+)` \| (\w+)", (lab.ROOT / "docs" / "metrics.md").read_text(), re.M)
    parts = {name: name + ("_bucket" if kind == "histogram" else "") for name, kind in documented}
    missing = [name for name, series in parts.items() if series not in known and name not in SELDOM]
    lab.check(f"all {len(parts)} documented metrics are there {missing or ''}", not missing)
    text = " ".join(expressions)
    unseen = [name for name in parts if name not in text]
    lab.check(f"each of them is shown or watched {unseen or ''}", not unseen)
    undocumented = {name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count")
                    for name in known if name.startswith("cartwake_")} - set(parts)
    lab.check(f"no metric is undocumented {sorted(undocumented) or ''}", not undocumented)


main()
