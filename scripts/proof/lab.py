"""What every proof needs: a private service on either store, a recording receiver, a client. Loopback only.

Processes are started by us and ended by their own id. Standard library only.
"""

import contextlib
import hashlib
import http.client
import http.server
import json
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("CARTWAKE_BINARY", ROOT / "target" / "release" / "cartwake"))
SERVER_KEY, ADMIN_KEY = "cw_server_proof", "cw_admin_proof"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwAAAAAAAAAAAA"
STORES = ("embedded", "redis")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(what, check, seconds=30.0):
    """Looks until it holds; a bound, never a pause of guessed length."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if check():
            return
        time.sleep(0.02)
    raise SystemExit(f"gave up waiting for {what} after {seconds} s")


def is_open(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Receiver:
    """Records every POST: (arrived_us, id, timestamp, signature, body)."""

    def __init__(self, delay_s=0.0):
        self.seen, self.lock, self.delay_s = [], threading.Lock(), delay_s
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = self.headers
                with receiver.lock:
                    receiver.seen.append((
                        time.time_ns() // 1000, headers["webhook-id"], headers["webhook-timestamp"],
                        headers["webhook-signature"], body))
                if receiver.delay_s:
                    time.sleep(receiver.delay_s)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 512

            def handle_error(self, *_):
                pass  # a killed sender breaks its connections: expected here

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def count(self):
        with self.lock:
            return len(self.seen)

    def snapshot(self):
        with self.lock:
            return list(self.seen)


class Redis:
    """A private redis-server, set as docs/redis.md advises, with its data in a folder of its own."""

    def __init__(self, folder):
        self.port = free_port()
        if not shutil.which("redis-server"):
            raise SystemExit("redis-server is missing: run scripts/test once, it installs it")
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder),
             "--appendonly", "yes", "--appendfsync", "everysec", "--auto-aof-rewrite-min-size", "256mb", "--save", "",
             "--maxmemory-policy", "noeviction"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.url = f"redis://127.0.0.1:{self.port}"
        wait_for("redis-server", self.answers)

    def answers(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 0.5) as link:
                link.sendall(b"PING\r\n")
                return link.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    def info(self, field):
        with socket.create_connection(("127.0.0.1", self.port), 2) as link:
            link.sendall(b"INFO\r\n")
            text = b""
            while field.encode() + b":" not in text or not text.endswith(b"\r\n"):
                text += link.recv(65536)
            return text.split(field.encode() + b":")[1].split(b"\r\n")[0].decode()

    def stop(self):
        self.process.kill()
        self.process.wait()


def program(delay_s, idle_s, whole=False):
    """One reminder `delay_s` after `idle_s` at the shipping stage. The whole program holds nobody back, but asks everything."""
    if whole:
        far_away = (time.gmtime().tm_hour + 11) % 24
        rules = f"""
quiet_hours = "{far_away:02}:00-{far_away:02}:30"
experiment = {{ holdout_percent = 0, arms = [{{ name = "half", percent = 50, delay = "{delay_s}s" }}] }}
"""
    else:
        rules = """
quiet_hours = "off"
caps = []
service.reasons = []
experiment.holdout_percent = 0
"""
    return f"""
[shop.program]
{rules}
steps = [{{ name = "first", delay = "{delay_s}s", channel = "email" }}]
[shop.program.idle]
shipping = "{idle_s}s"
"""


class Service:
    """One cartwake process and what it needs. `program` and `server` are lines for those sections, `more` comes last."""

    def __init__(self, store, receiver=None, program="", server="", folder=None, more=""):
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="cartwake-proof-"))
        self.redis = Redis(self.folder) if store == "redis" else None
        self.port, self.ops_port = free_port(), free_port()
        url = self.redis.url if self.redis else f"embedded:{self.folder}/store"
        sha = lambda key: "sha256:" + hashlib.sha256(key.encode()).hexdigest()
        endpoint = "" if receiver is None else f"""
[[shop.endpoint]]
name = "mail"
url = "{receiver.url}"
secrets = ["{SECRET}"]
events = ["cart.reminder"]
allow_networks = ["127.0.0.0/8"]
"""
        self.config = self.folder / "cartwake.toml"
        self.config.write_text(f"""
[server]
listen = "127.0.0.1:{self.port}"
ops_listen = "127.0.0.1:{self.ops_port}"
admin_keys = ["{sha(ADMIN_KEY)}"]
{server}
[store]
url = "{url}"
[telemetry]
log_level = "warn"
[[shop]]
id = "proof"
keys = [{{ role = "server", hash = "{sha(SERVER_KEY)}" }}]
{program}
{endpoint}{more}""")
        self.log = open(self.folder / "log", "ab")
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen([str(BINARY), "serve", "--config", str(self.config)],
                                        stdout=self.log, stderr=self.log)
        wait_for("the service", lambda: self.process.poll() is not None or self.is_ready())
        if self.process.poll() is not None:
            raise SystemExit((self.folder / "log").read_text()[-2000:])

    def is_ready(self):
        try:
            return self.ops("GET", "/readyz")[0] == 200
        except OSError:
            return False

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)
        if self.redis:
            self.redis.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def client(self):
        return Client(self.port)

    def ops(self, method, path, body=None):
        return request(http.client.HTTPConnection("127.0.0.1", self.ops_port, timeout=10), method, path, body, ADMIN_KEY)

    def metrics(self):
        return parse_metrics(self.ops("GET", "/metrics")[1])

    def tallies(self):
        """{(day as YYYY-MM-DD, name): count}, read from the store itself and not through the service."""
        return redis_tallies([self.redis.port]) if self.redis else embedded_tallies(self.folder / "store")

    def rss_mb(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
        return 0.0


def redis_tallies(ports, options=()):
    """The counts in the Redis at these ports, each of them the master of some keys."""
    counts = {}
    for port in ports:
        ask = lambda *words: subprocess.run(["redis-cli", *options, "-p", str(port), *words], check=True, timeout=20,
                                            capture_output=True, text=True).stdout.split("\n")
        for key in filter(None, ask("--scan", "--pattern", "*:t:proof/*")):
            fields = ask("HGETALL", key)
            for name, count in zip(fields[0::2], fields[1::2]):
                if name != "~":  # the version of the day
                    counts[key[-10:], name] = counts.get((key[-10:], name), 0) + int(count)
    return counts


def embedded_tallies(folder):
    """The counts in an embedded store."""
    with contextlib.closing(sqlite3.connect(f"file:{folder}/cartwake.db?mode=ro", uri=True)) as db:
        return {(time.strftime("%Y-%m-%d", time.gmtime(day * 86_400)), name): count
                for day, name, count in db.execute("SELECT day, key, value FROM tallies")}


def request(link, method, path, body, key, headers=None):
    data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
    head = {"authorization": f"Bearer {key}", "content-type": "application/json", **(headers or {})}
    link.request(method, path, data, head)
    answer = link.getresponse()
    return answer.status, answer.read().decode(), answer.headers


class Client:
    """One keep-alive connection to the cart API."""

    def __init__(self, port):
        self.port, self.link = port, None

    def __call__(self, method, path, body=None, headers=None, key=SERVER_KEY):
        if self.link is None:
            self.link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
            self.link.connect()
            self.link.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            return request(self.link, method, path, body, key, headers)
        except (OSError, http.client.HTTPException):
            self.link.close()
            self.link = None
            raise


def parse_metrics(text):
    """{(name, frozenset of labels): value}."""
    found = {}
    for line in text.splitlines():
        if line.startswith("#") or not line:
            continue
        series, value = line.rsplit(" ", 1)
        name, _, rest = series.partition("{")
        labels = frozenset()
        if rest:
            pairs = rest.rstrip("}").split(",")
            labels = frozenset(tuple(p.replace('"', "").split("=", 1)) for p in pairs if p)
        found[name, labels] = float(value)
    return found


def rfc3339(seconds):
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(int(seconds)))
    return f"{whole}.{int(seconds * 1000) % 1000:03d}Z"


def cart(n, occurred_at=None, **extra):
    """A cart of about 1.2 kB at the shipping stage."""
    body = {
        "currency": "EUR", "stage": "shipping",
        "items": [{
            "id": f"line-{i}", "product_id": f"p-{(n * 7 + i * 13) % 997}", "sku": f"SKU-{n % 997}-{i}-BLK",
            "title": f"Organic cotton shirt no. {(n + i) % 50}, black, size M", "quantity": 1 + i,
            "unit_price_minor": 1999 + 10 * i, "url": f"https://shop.example/p/{(n + i) % 997}",
            "image_url": f"https://cdn.shop.example/p/{(n + i) % 997}/main.jpg"} for i in range(3)],
        "totals": {"subtotal_minor": 12000, "shipping_minor": 490, "total_minor": 12490, "tax_included": True},
        "shopper": {"email": f"shopper-{n}@example.com", "first_name": "Kim", "locale": "de-DE",
                    "time_zone": "Europe/Berlin", "country": "DE"},
        "checkout_url": f"https://shop.example/checkout/{n:08x}",
        "consent": [{"channel": "email", "status": "granted", "basis": "opt_in", "source": "checkout checkbox"}],
        "attributes": {"bench_id": f"c-{n}", "utm_source": "newsletter", "utm_campaign": "autumn"}, **extra,
    }
    if occurred_at is not None:
        body["occurred_at"] = rfc3339(occurred_at)
    return body


def in_parallel(work, items, threads=8):
    """Runs work(client-less worker number, item) over all items; re-raises the first failure."""
    items, failures, lock = iter(list(items)), [], threading.Lock()

    def run(worker):
        while not failures:
            with lock:
                item = next(items, None)
            if item is None:
                return
            try:
                work(worker, item)
            except BaseException as failure:  # noqa: BLE001 - reported below
                failures.append(failure)

    runners = [threading.Thread(target=run, args=(n,)) for n in range(threads)]
    for runner in runners:
        runner.start()
    for runner in runners:
        runner.join()
    if failures:
        raise failures[0]


def ensure_binary():
    if not BINARY.exists():
        raise SystemExit(f"{BINARY} is missing: cargo build --release")


def check(sentence, holds):
    print(("ok    " if holds else "FAIL  ") + sentence, flush=True)
    if not holds:
        sys.exit(1)
