"""A private Prometheus for the proofs: on a free port of the loopback address, in a folder of its own, with our rules.

It scrapes what it is told to, or is handed the past: samples with their own timestamps, as a page that it scrapes.
Standard library only; `prometheus` is Debian's.
"""

import http.server
import json
import pathlib
import shutil
import subprocess
import tempfile
import threading
import urllib.parse
import urllib.request

import lab

RULES = lab.ROOT / "deploy" / "prometheus" / "rules"
#: Lines of the past that one scrape takes; a second is enough for them.
LINES_MAX = 40_000
#: Points that Prometheus gives for a series at a time: 11,000.
POINTS_MAX = 10_000


class Past:
    """A page of samples with timestamps, handed out one piece a scrape."""

    def __init__(self):
        self.pieces, self.served, self.lock = [], 0, threading.Lock()
        past = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                with past.lock:
                    body = past.pieces.pop(0) if past.pieces else b""
                    past.served += 1
                self.send_response(200)
                self.send_header("content-type", "text/plain; version=0.0.4")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def hand_over(self, lines):
        """Waits until a scrape follows the one that took the last piece: then that one is stored."""
        with self.lock:
            self.pieces = ["".join(lines[i:i + LINES_MAX]).encode() for i in range(0, len(lines), LINES_MAX)]
            until = self.served + len(self.pieces) + 1
        lab.wait_for("Prometheus to take the past", lambda: self.served >= until, 600)


class Prometheus:
    """A server with the rules of deploy/prometheus, every second, over these targets (`host:port`) or over a past."""

    def __init__(self, targets=(), past=None, has_rules=True):
        if not shutil.which("prometheus"):
            raise SystemExit("prometheus is missing: run scripts/test once, it installs it")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cartwake-prometheus-"))
        self.url = f"http://127.0.0.1:{lab.free_port()}"
        config = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "storage": {"tsdb": {"out_of_order_time_window": "10y"}},
            "rule_files": [self.every_second(rules) for rules in sorted(RULES.glob("*.yml"))] if has_rules else [],
            "scrape_configs": [
                {"job_name": "cartwake", "static_configs": [{"targets": list(targets)}]},
                {"job_name": "past", "honor_labels": True,
                 "static_configs": [{"targets": [past.address] if past else []}]}],
        }
        # JSON is YAML.
        (self.folder / "prometheus.yml").write_text(json.dumps(config))
        self.log = open(self.folder / "log", "wb")
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={self.folder}/prometheus.yml", f"--storage.tsdb.path={self.folder}/data",
             f"--web.listen-address={self.url.removeprefix('http://')}", "--storage.tsdb.retention.time=20y"],
            stdout=self.log, stderr=self.log)
        lab.wait_for("Prometheus", lambda: self.process.poll() is not None or self.is_ready())
        if self.process.poll() is not None:
            raise SystemExit((self.folder / "log").read_text()[-2000:])

    def every_second(self, rules):
        """A copy of a rule file whose groups follow the evaluation interval: nobody waits minutes for a proof."""
        copy = self.folder / rules.name
        lines = rules.read_text().splitlines(keepends=True)
        copy.write_text("".join(line for line in lines if not line.startswith("    interval:")))
        return str(copy)

    def is_ready(self):
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def ask(self, path, **fields):
        data = urllib.parse.urlencode(fields).encode() if fields else None
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}", data, timeout=120) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{path} {fields}: {error.read().decode()[:500]}") from error

    def query(self, expression):
        """[(labels, value)] now."""
        answer = self.ask("query", query=expression)
        if answer["resultType"] == "scalar":
            return [({}, float(answer["result"][1]))]
        return [(one["metric"], float(one["value"][1])) for one in answer["result"]]

    def between(self, expression, start, end, step):
        """{labels as sorted pairs: [(seconds, value)]}."""
        found = {}
        while start <= end:
            last = min(end, start + (POINTS_MAX - 1) * step)
            for one in self.ask("query_range", query=expression, start=start, end=last, step=step)["result"]:
                points = found.setdefault(tuple(sorted(one["metric"].items())), [])
                points.extend((int(at), float(value)) for at, value in one["values"])
            start = last + step
        return found

    def rules(self, kind):
        """Every rule of a kind, `alerting` or `recording`, in order: [{name, query, duration?, labels?, …}]."""
        groups = self.ask("rules")["groups"]
        return [rule for group in groups for rule in group["rules"] if rule["type"] == kind]

    def stop(self):
        self.process.terminate()
        self.process.wait(60)
        shutil.rmtree(self.folder, ignore_errors=True)
