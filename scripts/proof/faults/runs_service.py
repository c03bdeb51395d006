"""Runs a, b, c and h: replicas that are killed, hang, come and go, and purchases at the moment of the reminder."""

import random
import threading
import time

from ledger import close
from receiver import Receiver
from shop import Shop
from stage import LEASE_S, Stage

CONCURRENCY = 32


def during(shop, work):
    """Runs work(stop) beside the shop, to the last acknowledgement; re-raises what it met."""
    stop, failed = threading.Event(), []

    def run():
        try:
            work(stop)
        except BaseException as failure:  # noqa: BLE001 - raised below
            failed.append(failure)

    thread = threading.Thread(target=run, daemon=True)
    shop.open()
    thread.start()
    shop.close()
    stop.set()
    thread.join(60)
    if failed:
        raise failed[0]


def killed(args, store, replicas):
    """a. kill -9 of the service at random moments in a burst."""
    receiver, dice, kills = Receiver(delay_s=0.02), random.Random(args.seed), []
    with Stage(store, receiver.port, replicas) as stage:
        stage.start()
        shop = Shop(stage.ports(), args.carts, args.rate, args.seed)

        def work(stop):
            end = shop.began + args.carts / args.rate + 4
            while time.monotonic() < end:
                time.sleep(dice.uniform(0.4, 1.6))
                victim = dice.choice(stage.replicas)
                victim.kill()
                kills.append(receiver.count())
                time.sleep(dice.uniform(0.05, 0.4))
                victim.start()

        during(shop, work)
        ledger = close(f"a. kill -9 of {replicas} replica(s), {store}", shop, receiver, stage,
                       repeats_max=CONCURRENCY * max(1, len(kills)))
        ledger.add("kills", f"{len(kills)}, after {kills} arrivals")
        return ledger


def hung(args, store, replicas):
    """b. SIGSTOP of a replica for longer than its lease, in the middle of sends."""
    receiver, stops = Receiver(delay_s=0.1), []
    with Stage(store, receiver.port, replicas) as stage:
        stage.start()
        shop = Shop(stage.ports(), args.carts, args.rate, args.seed)

        def work(stop):
            for turn in range(2):
                time.sleep(max(0.0, shop.began + 4.5 + turn * (LEASE_S + 4) - time.monotonic()))
                victim = stage.replicas[turn % replicas]
                victim.hang()
                stops.append(receiver.count())
                time.sleep(LEASE_S + 2)
                victim.wake()

        during(shop, work)
        ledger = close(f"b. SIGSTOP beyond the lease, {replicas} replicas, {store}", shop, receiver, stage,
                       repeats_max=CONCURRENCY * len(stops))
        ledger.add("hung", f"{len(stops)} times {LEASE_S + 2} s, after {stops} arrivals")
        return ledger


def at_will(args, store, replicas, graceful):
    """c. Replicas started and stopped during a steady load; with SIGTERM alone nothing is repeated."""
    receiver, dice, ends = Receiver(delay_s=0.02), random.Random(args.seed), []
    with Stage(store, receiver.port, replicas) as stage:
        stage.start()
        shop = Shop(stage.ports(), args.carts, args.rate, args.seed)

        def work(stop):
            while not stop.is_set():
                victim = dice.choice(stage.replicas)
                if graceful or dice.random() < 0.5:
                    ends.append(victim.stop())
                else:
                    victim.kill()
                    ends.append("killed")
                time.sleep(dice.uniform(0.0, 1.0))
                victim.start()
                time.sleep(dice.uniform(0.1, 1.0))

        during(shop, work)
        how = "SIGTERM" if graceful else "SIGTERM and kill"
        ledger = close(f"c. {replicas} replicas come and go by {how}, {store}", shop, receiver, stage,
                       repeats_max=0 if graceful else CONCURRENCY * ends.count("killed"))
        ledger.add("ends, by exit code", {str(e): ends.count(e) for e in set(ends)})
        ledger.check("a process that is asked to end ends with 0", set(ends) <= {0, "killed"})
        return ledger


def race(args, store, replicas):
    """h. Purchases within 20 ms of the reminder's moment: named, by another cart, by an address alone."""
    receiver = Receiver()
    with Stage(store, receiver.port, replicas) as stage:
        stage.start()
        shop = Shop(stage.ports(), args.purchases, args.race_rate, args.seed, order_every=1, spread_s=0.02, workers=20)
        during(shop, lambda stop: None)
        return close(f"h. {args.purchases} purchases within 20 ms of the moment, {replicas} replica(s), {store}", shop,
                     receiver, stage, repeats_max=0)


def runs(args):
    return [
        ("kill", "embedded", lambda: killed(args, "embedded", 1)),
        ("kill", "redis", lambda: killed(args, "redis", 1)),
        ("kill-3", "redis", lambda: killed(args, "redis", 3)),
        ("hang", "embedded", lambda: hung(args, "embedded", 1)),
        ("hang", "redis", lambda: hung(args, "redis", 3)),
        ("replicas", "redis", lambda: at_will(args, "redis", 3, graceful=False)),
        ("stop", "redis", lambda: at_will(args, "redis", 3, graceful=True)),
        ("stop", "embedded", lambda: at_will(args, "embedded", 1, graceful=True)),
        ("race", "embedded", lambda: race(args, "embedded", 1)),
        ("race", "redis", lambda: race(args, "redis", 3)),
    ]
