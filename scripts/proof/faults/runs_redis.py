"""Run j: what Redis itself may lose of what it acknowledged, by setting, measured at the service's API.

kill -9 of a process is no loss of power: what the kernel holds is still written. Losses are reported, not judged, where
the setting allows them; where it does not, one missing cart fails the run.
"""

import http.client
import random
import threading
import time

from ledger import Ledger
from receiver import Receiver
from stage import RedisServer, Stage, lab


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


# With `everysec` Redis writes before it answers, but for as long as this while the disk is busy with the last sync.
FSYNC_WAIT_S = 2


def durability(args, name, settings, window_s):
    """j. kill -9 of redis-server under writes, and a start from what it left: at most the last so many seconds are missing."""
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
    ledger.check(f"nothing acknowledged {window_s:g} s before the kill is missing", lost_count == 0 or (0 < window_s >= window))
    return ledger


def runs(args):
    return [
        ("durable-always", "redis", lambda: durability(args, "appendfsync always", (
            "--appendonly", "yes", "--appendfsync", "always", "--save", ""), 0)),
        ("durable-second", "redis", lambda: durability(args, "appendfsync everysec", RedisServer.DURABLE, FSYNC_WAIT_S)),
        ("durable-rdb", "redis", lambda: durability(args, "no AOF, save 1 1", ("--appendonly", "no", "--save", "1 1"), 30)),
    ]
