"""The stage of a fault run: a private store, any number of cartwake processes on it, and the proxies in between.

Every process is started here, known by its id, and ended by it when the stage is left, also when the run fails.
"""

import atexit
import hashlib
import http.client
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import lab  # noqa: E402 - its folder is found only now

LEASE_S, TIMEOUT_S, IDLE_S, DELAY_S = 6, 2, 2, 2
ALIVE = set()


@atexit.register
def end_all():
    for process in list(ALIVE):
        end(process)


def end(process):
    if process.poll() is None:
        process.send_signal(signal.SIGCONT)
        process.kill()
    process.wait()
    ALIVE.discard(process)


def start(command, log, **options):
    process = subprocess.Popen([str(word) for word in command], stdout=log, stderr=log, **options)
    ALIVE.add(process)
    return process


class RedisServer:
    """One redis-server on a port that stays its own over restarts."""

    DURABLE = ("--appendonly", "yes", "--appendfsync", "everysec", "--save", "")

    def __init__(self, folder, settings=DURABLE, tls=None):
        self.folder, self.settings, self.tls, self.is_hung = pathlib.Path(folder), settings, tls, False
        # A cluster's nodes also listen 10,000 above.
        self.port = next(port for port in (lab.free_port() for _ in range(1000)) if port < 55_000)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.process = None
        self.start()

    def start(self):
        log = open(self.folder / "redis.log", "ab")
        listen = ("--port", 0, "--tls-port", self.port, *self.tls.options()) if self.tls else ("--port", self.port)
        self.is_hung = False
        self.process = start(["redis-server", *listen, "--bind", "127.0.0.1", "--dir", self.folder,
                              "--maxmemory-policy", "noeviction", *self.settings], log)
        lab.wait_for("redis-server", lambda: self("PING") == "PONG")

    def __call__(self, *words):
        tls = self.tls.client if self.tls else ()
        done = subprocess.run(["redis-cli", *tls, "-p", str(self.port), *map(str, words)], capture_output=True, text=True,
                              timeout=20, check=False)
        return done.stdout.strip()

    def kill(self):
        end(self.process)

    def hang(self):
        self.is_hung = True
        self.process.send_signal(signal.SIGSTOP)

    def wake(self):
        self.process.send_signal(signal.SIGCONT)
        self.is_hung = False


class Replica:
    """One `cartwake serve`, with ports that stay its own over restarts."""

    def __init__(self, stage, number):
        self.port, self.ops_port = lab.free_port(), lab.free_port()
        self.config, self.log_path = stage.folder / f"{number}.toml", stage.folder / f"{number}.log"
        self.stage, self.process = stage, None

    def start(self, wait=True, preexec=None, wrap=()):
        self.config.write_text(self.stage.config(self))
        log = open(self.log_path, "ab")
        self.process = start([*wrap, lab.BINARY, "serve", "--config", self.config], log, preexec_fn=preexec)
        if wait:
            self.wait()
        return self

    def wait(self, seconds=40):
        lab.wait_for("a replica", lambda: self.process.poll() is not None or self.is_ready(), seconds)
        if self.process.poll() is not None:
            raise SystemExit(f"a replica ended by itself:\n{self.log_path.read_text()[-1500:]}")

    def is_ready(self):
        try:
            return self.ops("GET", "/readyz")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def ops(self, method, path, body=None):
        link = http.client.HTTPConnection("127.0.0.1", self.ops_port, timeout=5)
        try:
            return lab.request(link, method, path, body, lab.ADMIN_KEY)
        finally:
            link.close()

    def kill(self):
        end(self.process)

    def hang(self):
        self.process.send_signal(signal.SIGSTOP)

    def wake(self):
        self.process.send_signal(signal.SIGCONT)

    def reload(self):
        self.config.write_text(self.stage.config(self))
        self.process.send_signal(signal.SIGHUP)

    def stop(self):
        """SIGTERM; the exit code of a process that ended by itself, or None when it had to be killed."""
        self.process.terminate()
        try:
            code = self.process.wait(30)
        except subprocess.TimeoutExpired:
            code = None
        end(self.process)
        return code


class Stage:
    """`with Stage(store, receiver_port) as stage:`; `url` replaces the store's own address (a proxy, a group of servers)."""

    def __init__(self, store, hook_port, replicas=1, redis=RedisServer.DURABLE, path=None, delay_s=DELAY_S):
        self.store, self.hook, self.delay_s = store, f"http://127.0.0.1:{hook_port}/hook", delay_s
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cartwake-faults-"))
        self.store_path = pathlib.Path(path or self.folder / "store")
        self.redis = RedisServer(self.folder / "redis", redis) if store == "redis" else None
        self.url = f"redis://127.0.0.1:{self.redis.port}" if self.redis else f"embedded:{self.store_path}"
        self.replicas = [Replica(self, n) for n in range(replicas)]
        # A group of servers in place of one, and further lines for [store].
        self.group, self.store_more = None, ""
        self.hooks = []

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        for hook in self.hooks:
            hook()
        for replica in self.replicas:
            if replica.process:
                end(replica.process)
        if self.redis:
            end(self.redis.process)
        if kind is None and not os.environ.get("CARTWAKE_KEEP"):
            shutil.rmtree(self.folder, ignore_errors=True)
        else:
            print(f"      the run's folder is kept: {self.folder}", flush=True)

    def start(self):
        for replica in self.replicas:
            replica.start()
        return self

    def ports(self):
        return [replica.port for replica in self.replicas]

    def is_ready(self):
        return all(replica.is_ready() for replica in self.replicas)

    def tallies(self):
        """{name: count} of all days, read from the store itself and not through the service."""
        if self.group:
            counts = self.group.tallies()
        else:
            counts = lab.redis_tallies([self.redis.port]) if self.redis else lab.embedded_tallies(self.store_path)
        sums = {}
        for (_, name), count in counts.items():
            sums[name] = sums.get(name, 0) + count
        return sums

    def log_lines(self, word):
        return sum(text.count(word) for text in (p.read_text(errors="replace") for p in self.folder.glob("*.log")))

    def config(self, replica):
        sha = lambda key: "sha256:" + hashlib.sha256(key.encode()).hexdigest()
        return f"""
[server]
listen = "127.0.0.1:{replica.port}"
ops_listen = "127.0.0.1:{replica.ops_port}"
admin_keys = ["{sha(lab.ADMIN_KEY)}"]
[store]
url = "{self.url}"
{self.store_more}
[delivery]
lease = "{LEASE_S}s"
start_within = "1s"
[telemetry]
log_level = "info,actix_server=warn"
[[shop]]
id = "proof"
keys = [{{ role = "server", hash = "{sha(lab.SERVER_KEY)}" }}]
[shop.program]
quiet_hours = "off"
caps = []
service.reasons = []
experiment.holdout_percent = 0
steps = [{{ name = "first", delay = "{self.delay_s}s", channel = "email" }}]
[shop.program.idle]
shipping = "{IDLE_S}s"
[[shop.endpoint]]
name = "mail"
url = "{self.hook}"
secrets = ["{lab.SECRET}"]
events = ["cart.reminder"]
timeout = "{TIMEOUT_S}s"
allow_networks = ["127.0.0.0/8"]
"""
