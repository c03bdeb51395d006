"""Run i: the service on Sentinel and on Cluster, with a failover, a black hole or moving slots in the middle of it.

Two kinds. A ledger of carts, reminders and orders as for any other store; and the table of what a failover in the middle
of writes loses: replication is asynchronous, so losses are reported, and judged only where nothing may be lost.
"""

import time

from groups import GUARDED, Cluster, Sentinels
from ledger import Ledger, close
from proxy import Proxy
from receiver import Receiver
from runs_redis import Writer, missing
from runs_service import during
from shop import Shop
from stage import Stage, lab

WAIT_S = 40


def break_it(group, how):
    """Kills or stops a master; gives how to end it."""
    victim = group.victim()
    if how == "kill":
        victim.kill()
        return victim.start
    victim.hang()
    return victim.wake


def in_load(args, make, what, how, tls=False):
    """The ledger, with a master killed or stopped in the middle of the load, or slots moving under it."""
    receiver = Receiver()
    with Stage(None, receiver.port, replicas=2) as stage:
        group = make(stage, (), tls)
        stage.start()
        shop = Shop(stage.ports(), args.carts, args.rate, args.seed)
        told = {}

        def work(stop):
            time.sleep(max(0.0, shop.began + 2.5 - time.monotonic()))
            began = time.monotonic()
            if how == "move":
                moved = group.move_slots(3000)
                told["3,000 slots moved in"] = f"{time.monotonic() - began:.1f} s"
                told["redis-cli"] = "moved them" if moved.returncode == 0 else moved.stdout[-200:]
                return
            mend = break_it(group, how)
            lab.wait_for("the promotion", group.is_over, WAIT_S)
            told["promoted after"] = f"{time.monotonic() - began:.1f} s"
            time.sleep(2)
            mend()

        during(shop, work)
        ledger = close(f"i. {what}, {how}{', TLS' if tls else ''}", shop, receiver, stage, seconds=90, may_lose=how == "kill")
        for key, value in told.items():
            ledger.add(key, value)
        return ledger


def in_writes(args, make, what, settings, how):
    """What of the writes that were acknowledged around a failover is missing afterwards."""
    receiver, name = Receiver(), "min-replicas-to-write 1" if settings else "default settings"
    ledger = Ledger(f"i. writes over a failover of {what}, {how}, {name}")
    with Stage(None, receiver.port, delay_s=3600) as stage:
        group = make(stage, settings)
        stage.start()
        writer = Writer(stage)
        time.sleep(3)
        failed = time.monotonic()
        mend = break_it(group, how)
        lab.wait_for("the promotion", group.is_over, WAIT_S)
        promoted = time.monotonic() - failed
        time.sleep(4)
        alone = sum(at > failed + promoted for at in list(writer.acked.values()))
        # With a minimum of replicas the successor takes no write before the other one is back.
        mend()
        back = wait_for_writes(writer, failed + promoted)
        time.sleep(3)
        writer.end()
        add_losses(ledger, stage, writer, failed)
        ledger.add("promoted after, written again after", f"{promoted:.1f} s, {back - failed:.1f} s")
        ledger.add("acknowledged by the successor alone, in 4 s", alone)
    return ledger


def wait_for_writes(writer, since):
    """Until a hundred in a row are acknowledged: then every shard serves again."""
    lab.wait_for("writes again", lambda: sum(at > since for at in list(writer.acked.values())) > 100, 60)
    return sorted(at for at in list(writer.acked.values()) if at > since)[0]


def add_losses(ledger, stage, writer, failed):
    gone = missing(stage, dict(writer.acked))
    ledger.add("acknowledged, missing after it", f"{len(writer.acked)}, {len(gone)}")
    ages = sorted(writer.acked[cart] - failed for cart in gone)
    if ages:
        ledger.add("acknowledged, relative to the failure", f"{ages[0]:+.3f} to {ages[-1]:+.3f} s")
    ledger.add("writes refused meanwhile", writer.failed)


def split(args, settings):
    """A partition: sentinels and replica lose the primary, the service does not, and goes on writing to it."""
    receiver, name = Receiver(), "min-replicas-to-write 1" if settings else "default settings"
    ledger, proxies = Ledger(f"i. a primary cut off from all but its clients, {name}"), []
    with Stage(None, receiver.port, delay_s=3600) as stage:

        def through(port):
            proxies.append(Proxy(port, args.seed))
            return proxies[0].port

        group = Sentinels(stage, settings, through=through)
        stage.hooks.append(lambda: [proxy.close() for proxy in proxies])
        stage.start()
        writer = Writer(stage)
        time.sleep(3)
        cut = time.monotonic()
        proxies[0].cut_off(b"sentinel", b"replconf", b"psync")
        lab.wait_for("the promotion", lambda: "role:master" in group.replica("INFO", "replication"), WAIT_S)
        ledger.add("the other was promoted after", f"{time.monotonic() - cut:.1f} s")
        time.sleep(4)
        alone = sum(at > cut for at in list(writer.acked.values()))
        ledger.add("acknowledged since the cut by the one cut off, or its successor", alone)
        proxies[0].cut_off()
        lab.wait_for("one primary", lambda: "role:slave" in group.primary("INFO", "replication"), WAIT_S)
        wait_for_writes(writer, time.monotonic())
        writer.end()
        add_losses(ledger, stage, writer, cut)
    return ledger


def hole(args):
    """One node of a cluster answers no client for 6 s, while the other nodes see it well: nobody is promoted."""
    receiver, proxies = Receiver(), {}
    with Stage(None, receiver.port, replicas=2) as stage:

        def through(n, port):
            if n != 0:
                return None
            proxies[n] = Proxy(port, args.seed)
            return proxies[n].port

        Cluster(stage, (), through=through)
        stage.hooks.append(lambda: [proxy.close() for proxy in proxies.values()])
        stage.start()
        shop = Shop(stage.ports(), args.carts, args.rate, args.seed)

        def work(stop):
            time.sleep(max(0.0, shop.began + 2.5 - time.monotonic()))
            proxies[0].set("hole")
            time.sleep(6)
            proxies[0].set("pass")

        during(shop, work)
        ledger = close("i. a node of a cluster answers no client for 6 s", shop, receiver, stage, seconds=90)
        ledger.add("proxy", proxies[0].seen)
        ledger.check("clients came through the proxy", proxies[0].seen["connections"] > 0)
        return ledger


def runs(args):
    found = []
    for make, store in ((Sentinels, "sentinel"), (Cluster, "cluster")):
        for how in ("kill", "hang"):
            found.append((f"{store}-{how}", store, lambda make=make, store=store, how=how: in_load(args, make, store, how)))
            for settings, mark in (((), ""), (GUARDED, "-1")):
                found.append((f"{store}-writes-{how}{mark}", store, lambda make=make, store=store, how=how, settings=settings:
                              in_writes(args, make, store, settings, how)))
        found.append((f"{store}-tls", store, lambda make=make, store=store: in_load(args, make, store, "kill", tls=True)))
    return found + [
        ("sentinel-split", "sentinel", lambda: split(args, ())),
        ("sentinel-split-1", "sentinel", lambda: split(args, GUARDED)),
        ("cluster-move", "cluster", lambda: in_load(args, Cluster, "cluster", "move")),
        ("cluster-hole", "cluster", lambda: hole(args)),
    ]
