"""Runs d, e and g: a Redis that is killed, hangs, forgets its scripts or is badly reached, and a disk that is full."""

import pathlib
import random
import subprocess
import tempfile
import time

from ledger import close
from proxy import Proxy
from receiver import Receiver
from runs_service import CONCURRENCY, during
from shop import Shop
from stage import Stage, lab


def redis_fault(args, name, replicas, fault):
    """d. `fault(stage, shop, stop)` beside the load."""
    receiver = Receiver(delay_s=0.01)
    with Stage("redis", receiver.port, replicas) as stage:
        stage.start()
        shop = Shop(stage.ports(), args.carts, args.rate, args.seed)
        done = []
        during(shop, lambda stop: done.append(fault(stage, shop, stop)))
        ledger = close(f"d. {name}, {replicas} replicas", shop, receiver, stage, repeats_max=CONCURRENCY * replicas * 4)
        ledger.add("done", done[0])
        ledger.check("every replica is ready again by itself", stage.is_ready())
        return ledger


def kill_redis(stage, shop, stop):
    times = 0
    for at in (1.5, 4.5, 7.0):
        time.sleep(max(0.0, shop.began + at - time.monotonic()))
        stage.redis.kill()
        time.sleep(0.3)
        stage.redis.start()
        times += 1
    return f"redis killed and started {times} times"


def hang_redis(stage, shop, stop):
    time.sleep(max(0.0, shop.began + 4 - time.monotonic()))
    stage.redis.hang()
    time.sleep(5)
    stage.redis.wake()
    return "redis hung for 5 s"


def flush_scripts(stage, shop, stop):
    times = 0
    while not stop.is_set():
        stage.redis("SCRIPT", "FLUSH")
        times += 1
        time.sleep(0.02)
    return f"SCRIPT FLUSH {times} times"


def badly_reached(args, name, replicas, plan):
    """e. The proxy before the store: `plan` is (seconds, mode, amount) again and again until the load is over."""
    receiver, dice = Receiver(delay_s=0.01), random.Random(args.seed)
    with Stage("redis", receiver.port, replicas) as stage:
        proxy = Proxy(stage.redis.port, args.seed)
        stage.hooks.append(proxy.close)
        stage.url = f"redis://127.0.0.1:{proxy.port}"
        stage.start()
        shop = Shop(stage.ports(), args.carts, args.rate, args.seed)

        def work(stop):
            end = shop.began + shop.carts / shop.rate + 4
            while time.monotonic() < end:
                for seconds, mode, amount in plan:
                    proxy.set(mode, dice.randint(*amount) if isinstance(amount, tuple) else amount)
                    time.sleep(seconds)
            proxy.set("pass")

        during(shop, work)
        ledger = close(f"e. {name} before redis, {replicas} replicas", shop, receiver, stage)
        ledger.add("proxy", proxy.seen)
        ledger.check("every replica is ready again by itself", stage.is_ready())
        return ledger


def full_disk(args, kill):
    """g. The embedded store on a small filesystem that fills up under load, and is freed."""
    receiver, folder = Receiver(delay_s=0.01), tempfile.mkdtemp(prefix="cartwake-full-")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", folder], check=True)
    unmount = lambda: subprocess.run(["umount", "-l", folder], check=False) and pathlib.Path(folder).rmdir()
    try:
        with Stage("embedded", receiver.port, path=f"{folder}/store") as stage:
            stage.start()
            shop = Shop(stage.ports(), args.carts, args.rate, args.seed)
            said = []

            def work(stop):
                time.sleep(1.5)
                subprocess.run(["dd", "if=/dev/zero", f"of={folder}/ballast", "bs=64k"], check=False, capture_output=True)
                time.sleep(2)
                said.append(probe(stage))
                if kill:
                    stage.replicas[0].kill()
                    stage.replicas[0].start(wait=False)
                    time.sleep(2)
                    said.append(f"alive {stage.replicas[0].process.poll() is None}")
                subprocess.run(["rm", f"{folder}/ballast"], check=False)
                # A process that could not start on a full disk is started again, as its supervisor would.
                if stage.replicas[0].process.poll() is not None:
                    stage.replicas[0].start()
                subprocess.run(["mount", "-o", "remount,size=64m", folder], check=True)

            during(shop, work)
            ledger = close(f"g. full disk{' and kill -9' if kill else ''}, embedded", shop, receiver, stage)
            ledger.add("while full: readyz, a new cart", said)
            ledger.check("ready again by itself", stage.is_ready())
            return ledger
    finally:
        unmount()


def probe(stage):
    """What readiness and a new cart are answered now."""
    replica = stage.replicas[0]
    found = []
    for ask in (lambda: replica.ops("GET", "/readyz")[:2],
                lambda: lab.Client(replica.port)("PUT", "/v1/carts/probe", {**lab.cart(10**6), "items": []})[:2]):
        try:
            status, text = ask()
            found.append(f"{status} {' '.join(text.split())[-330:]}")
        except OSError as error:
            found.append(type(error).__name__)
    return found


def runs(args):
    reach = lambda *parts: lambda: badly_reached(args, *parts)
    redis = lambda *parts: lambda: redis_fault(args, *parts)
    return [
        ("redis-kill", "redis", redis("kill -9 of redis, AOF everysec", 3, kill_redis)),
        ("redis-hang", "redis", redis("SIGSTOP of redis for 5 s", 3, hang_redis)),
        ("scripts", "redis", redis("SCRIPT FLUSH in a loop", 2, flush_scripts)),
        ("store-refuse", "redis", reach("refuse", 2, [(1.5, "refuse", 0), (2, "pass", 0)])),
        ("store-reset", "redis", reach("reset", 2, [(0.3, "reset", 0), (0.7, "pass", 0)])),
        ("store-hole", "redis", reach("black hole of 5 s", 2, [(2, "pass", 0), (5, "hole", 0), (2, "pass", 0)])),
        ("store-slow", "redis", reach("latency of 200 ms", 2, [(5, "slow", 0.1)])),
        ("store-cut", "redis", reach("cut mid-reply", 2, [(0.4, "cut", (1, 3000)), (0.2, "pass", 0)])),
        ("full-disk", "embedded", lambda: full_disk(args, kill=False)),
        ("full-disk-kill", "embedded", lambda: full_disk(args, kill=True)),
    ]
