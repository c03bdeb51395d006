"""Runs j and i: what Redis itself may lose of what it acknowledged, by setting, measured at the service's API.

kill -9 of a process is no loss of power: what the kernel holds is still written. Losses are reported, not judged, where
the setting allows them; where it does not, one missing cart fails the run.
"""

import http.client
import random
import subprocess
import threading
import time

from ledger import Ledger
from receiver import Receiver
from stage import RedisServer, Stage, end, lab, start


class Writer:
    """Puts carts as fast as they are acknowledged, from a few threads, until it is stopped; remembers who was acknowledged."""

    def __init__(self, stage, threads=4):
        self.stage, self.stop, self.lock = stage, threading.Event(), threading.Lock()
        self.acked, self.failed, self.next = {}, 0, 0
        self.threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]
        for thread in self.threads:
            thread.start()

    def _run(self):
        client = lab.Client(self.stage.replicas[0].port)
        while not self.stop.is_set():
            with self.lock:
                n, self.next = self.next, self.next + 1
            try:
                status = client("PUT", f"/v1/carts/w-{n}", lab.cart(n))[0]
            except (OSError, http.client.HTTPException):
                status = 0
            if status in (200, 201, 204):
                self.acked[f"w-{n}"] = time.monotonic()
            else:
                self.failed += 1
                time.sleep(0.05)

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join(25)


def missing(stage, carts):
    """Which of these the service does not know; each is asked until it answers."""
    gone, lock = [], threading.Lock()
    clients = [lab.Client(stage.replicas[0].port) for _ in range(4)]

    def ask(worker, cart):
        for _ in range(100):
            try:
                status = clients[worker]("GET", f"/v1/carts/{cart}")[0]
            except (OSError, http.client.HTTPException):
                status = 0
            if status in (200, 404):
                break
            time.sleep(0.1)
        if status != 200:
            with lock:
                gone.append(cart)

    lab.in_parallel(ask, list(carts), 4)
    return gone


def durability(args, name, settings, may_lose):
    """j. kill -9 of redis-server under writes, and a start from what it left."""
    receiver, rounds, lost_count, acked_count, window = Receiver(), 3, 0, 0, 0.0
    ledger = Ledger(f"j. kill -9 of redis, {name}")
    for turn in range(rounds):
        with Stage("redis", receiver.port, redis=settings, delay_s=3600) as stage:
            stage.start()
            writer = Writer(stage)
            time.sleep(2 + random.Random(args.seed + turn).random())
            killed = time.monotonic()
            stage.redis.kill()
            writer.end()
            stage.redis.start()
            before = {cart: at for cart, at in writer.acked.items() if at <= killed + 0.05}
            lab.wait_for("the service", stage.is_ready, 40)
            gone = missing(stage, before)
            lost_count, acked_count = lost_count + len(gone), acked_count + len(before)
            window = max([window, *(killed - before[cart] for cart in gone)])
    ledger.add("acknowledged, missing after the restart", f"{acked_count}, {lost_count} ({rounds} kills)")
    ledger.add("oldest missing was acknowledged before the kill", f"{max(0.0, window):.2f} s")
    ledger.check("nothing acknowledged is missing", may_lose or lost_count == 0)
    return ledger


def sentinel_trio(folder, port, name="cw", down_ms=1000):
    """Three sentinels that watch the master at `port`; their ports."""
    ports = []
    for n in range(3):
        own = lab.free_port()
        config = folder / f"sentinel-{n}.conf"
        config.write_text(f"port {own}\nbind 127.0.0.1\ndir {folder}\nsentinel monitor {name} 127.0.0.1 {port} 2\n"
                          f"sentinel down-after-milliseconds {name} {down_ms}\nsentinel failover-timeout {name} 5000\n")
        process = start(["redis-sentinel", config], open(folder / f"sentinel-{n}.log", "ab"))
        ports.append((own, process))
    ask = lambda own: cli(own, "SENTINEL", "master", name)
    lab.wait_for("the sentinels to find each other", lambda: all(
        "num-other-sentinels\n2" in ask(own) and "num-slaves\n1" in ask(own) for own, _ in ports), 40)
    return ports


def cli(port, *words):
    done = subprocess.run(["redis-cli", "-p", str(port), *map(str, words)], capture_output=True, text=True, timeout=60,
                          check=False)
    return done.stdout.strip()


def is_understood(url):
    """Whether this cartwake can use such a store at all."""
    config = f'[store]\nurl = "{url}"\n'
    done = subprocess.run([lab.BINARY, "check-config", "/dev/stdin"], input=config, capture_output=True, text=True,
                          timeout=20, check=False)
    return done.returncode == 0


def failover(args, name, settings, hang):
    """i. The master under writes is killed (or hangs: it may go on acknowledging alone); sentinels promote its replica."""
    receiver, ledger = Receiver(), Ledger(f"i. Sentinel failover, {'SIGSTOP' if hang else 'kill -9'}, {name}")
    with Stage("redis", receiver.port, redis=(*RedisServer.DURABLE, *settings), delay_s=3600) as stage:
        replica = RedisServer(stage.folder / "replica", (*RedisServer.DURABLE, *settings, "--replicaof", "127.0.0.1",
                                                         str(stage.redis.port)))
        lab.wait_for("replication", lambda: "master_link_status:up" in replica("INFO", "replication"))
        sentinels = sentinel_trio(stage.folder, stage.redis.port)
        stage.hooks.append(lambda: [end(process) for process in (replica.process, *(p for _, p in sentinels))])
        stage.url = "redis-sentinel://" + ",".join(f"127.0.0.1:{own}" for own, _ in sentinels) + "/cw"
        stage.start()
        writer = Writer(stage)
        time.sleep(3)
        failed = time.monotonic()
        stage.redis.hang() if hang else stage.redis.kill()
        lab.wait_for("the promotion", lambda: "role:master" in replica("INFO", "replication"), 40)
        promoted = time.monotonic() - failed
        lab.wait_for("writes again", lambda: any(at > failed + 0.5 for at in list(writer.acked.values())), 60)
        back = min(at for at in list(writer.acked.values()) if at > failed + 0.5) - failed
        if hang:
            stage.redis.wake()
        time.sleep(3)
        writer.end()
        gone = missing(stage, dict(writer.acked))
        ledger.add("acknowledged, missing after the failover", f"{len(writer.acked)}, {len(gone)}")
        if gone:
            ages = [failed - writer.acked[cart] for cart in gone]
            ledger.add("missing, acknowledged before the failure", f"{min(ages):.3f} to {max(ages):.3f} s")
        ledger.add("promoted after, writes again after", f"{promoted:.1f} s, {back:.1f} s")
        ledger.add("writes refused meanwhile", writer.failed)
    return ledger


def cluster(args, what):
    """i. Six nodes; a master is killed, or slots move, under writes."""
    receiver, ledger = Receiver(), Ledger(f"i. Redis Cluster, {what}")
    with Stage("redis", receiver.port, delay_s=3600) as stage:
        settings = (*RedisServer.DURABLE, "--cluster-enabled", "yes", "--cluster-node-timeout", "1500")
        nodes = [RedisServer(stage.folder / f"node-{n}", settings) for n in range(6)]
        stage.hooks.append(lambda: [end(node.process) for node in nodes])
        made = subprocess.run(["redis-cli", "--cluster", "create", *(f"127.0.0.1:{node.port}" for node in nodes),
                               "--cluster-replicas", "1", "--cluster-yes"], capture_output=True, text=True, timeout=60,
                              check=False)
        ledger.check(f"the cluster is made: {made.stdout[-200:]}", made.returncode == 0)
        lab.wait_for("the cluster", lambda: all("cluster_state:ok" in node("CLUSTER", "INFO") for node in nodes), 40)
        stage.url = "redis-cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in nodes)
        stage.start()
        writer, failed = Writer(stage), time.monotonic()
        time.sleep(3)
        if what == "a master killed":
            nodes[0].kill()
            failed = time.monotonic()
            lab.wait_for("the promotion", lambda: "cluster_state:ok" in nodes[1]("CLUSTER", "INFO") and sum(
                "role:master" in node("INFO", "replication") for node in nodes[1:]) == 3, 60)
            ledger.add("promoted after", f"{time.monotonic() - failed:.1f} s")
        else:
            ids = [node("CLUSTER", "MYID") for node in nodes]
            moved = subprocess.run(["redis-cli", "--cluster", "reshard", f"127.0.0.1:{nodes[0].port}", "--cluster-from",
                                    ids[0], "--cluster-to", ids[1], "--cluster-slots", "3000", "--cluster-yes"],
                                   capture_output=True, text=True, timeout=240, check=False)
            ledger.add("3,000 slots moved in", f"{time.monotonic() - failed - 3:.1f} s")
            ledger.check(f"redis-cli moved them: {moved.stdout[-200:]}", moved.returncode == 0)
        time.sleep(4)
        writer.end()
        gone = missing(stage, dict(writer.acked))
        ledger.add("acknowledged, missing", f"{len(writer.acked)}, {len(gone)}")
        ledger.add("writes refused meanwhile", writer.failed)
        ledger.check("moving slots loses nothing", what == "a master killed" or not gone)
    return ledger


def runs(args):
    found = [
        ("durable-always", "redis", lambda: durability(args, "appendfsync always", (
            "--appendonly", "yes", "--appendfsync", "always", "--save", ""), False)),
        ("durable-second", "redis", lambda: durability(args, "appendfsync everysec", RedisServer.DURABLE, False)),
        ("durable-rdb", "redis", lambda: durability(args, "no AOF, save 1 1", ("--appendonly", "no", "--save", "1 1"), True)),
    ]
    if lab.BINARY.exists() and is_understood("redis-sentinel://127.0.0.1:26379/cw"):
        guarded = ("--min-replicas-to-write", "1", "--min-replicas-max-lag", "1")
        for hang in (False, True):
            word = "hang" if hang else "kill"
            found += [
                (f"failover-{word}", "redis", lambda hang=hang: failover(args, "default settings", (), hang)),
                (f"failover-{word}-1", "redis", lambda hang=hang: failover(args, "min-replicas-to-write 1", guarded, hang)),
            ]
    if lab.BINARY.exists() and is_understood("redis-cluster://127.0.0.1:7000"):
        found += [("cluster-kill", "redis", lambda: cluster(args, "a master killed")),
                  ("cluster-move", "redis", lambda: cluster(args, "slots moving"))]
    return found
