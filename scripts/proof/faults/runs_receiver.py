"""Run f: a receiver that answers badly, and a bad way to it."""

import random
import time

from ledger import Ledger, close
from proxy import Proxy
from receiver import Receiver
from runs_service import during
from shop import Shop
from stage import Stage, lab

BAD = ("500", "429", "503", "redirect", "garbage", "cut", "reset", "hang", "drip-head")


def answers(args, store, replicas):
    """Two of five first attempts are answered in one of the bad ways; the second one well. (Were it nearly all of them, the
    breaker would hold the endpoint back, as it should.)"""
    dice, chosen = random.Random(args.seed), {}

    def answer(cart, nth):
        if nth == 1:
            chosen[cart] = how = dice.choice((*BAD, *["ok"] * 13))
            return how
        return "ok"

    receiver = Receiver(answer)
    with Stage(store, receiver.port, replicas) as stage:
        stage.start()
        shop = Shop(stage.ports(), args.carts // 2, args.rate / 2, args.seed)
        during(shop, lambda stop: None)
        # The third attempt comes half a minute after the second: here every second one is good.
        ledger = close(f"f. first answers bad in {len(BAD)} ways, {store}", shop, receiver, stage, seconds=90, repeats_max=0)
        ledger.add("answers given", {how: list(chosen.values()).count(how) for how in sorted(set(chosen.values()))})
        return ledger


def bodies(args, store):
    """A 200 with a body of 200 MB, and one that drips: the head decides, the connection is not read to its end."""
    receiver, big = Receiver(), {}

    def answer(cart, nth):
        n = int(cart[2:])
        return "huge" if n % 20 == 1 else "drip" if n % 20 == 2 else "ok"

    receiver.answer = answer
    with Stage(store, receiver.port) as stage:
        stage.start()
        shop = Shop(stage.ports(), 200, args.rate / 2, args.seed, order_every=0)
        peak = []

        def work(stop):
            while not stop.wait(0.2):
                peak.append(rss_mb(stage.replicas[0].process.pid))

        during(shop, work)
        time.sleep(8)
        seen = receiver.snapshot()
        for at, webhook_id, cart, how in seen:
            big.setdefault(cart, []).append(how)
        # For the ledger a 200 is a good answer, however long its body is.
        receiver.seen = [(at, webhook_id, cart, "ok") for at, webhook_id, cart, _ in seen]
        ledger = close(f"f. 200 with a huge and a dripping body, {store}", shop, receiver, stage, repeats_max=0)
        ledger.add("memory of the process at most", f"{max(peak):.0f} MB")
        ledger.check("memory stays below 100 MB", max(peak) < 100)
        return ledger


def rss_mb(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * 4096 / 1e6


def badly_reached(args, store, name, plan):
    """The proxy before the receiver, failing for less than the first retry's delay in the middle of the load."""
    receiver, dice = Receiver(), random.Random(args.seed)
    proxy = Proxy(receiver.port, args.seed)
    with Stage(store, proxy.port) as stage:
        stage.hooks.append(proxy.close)
        stage.start()
        shop = Shop(stage.ports(), args.carts, args.rate, args.seed)

        def work(stop):
            time.sleep(max(0.0, shop.began + 4.3 - time.monotonic()))
            for seconds, mode, amount in plan:
                proxy.set(mode, dice.randint(*amount) if isinstance(amount, tuple) else amount)
                time.sleep(seconds)
            proxy.set("pass")

        during(shop, work)
        ledger = close(f"f. {name} before the receiver, {store}", shop, receiver, stage, seconds=90, heads=proxy.heads)
        ledger.add("proxy", proxy.seen)
        return ledger


def gone(args, store):
    """410 pauses the endpoint, over a restart too; resumed, what was due goes out, but for what was answered 410: dead, and kept."""
    receiver, stopped = Receiver(lambda cart, nth: "410"), "endpoint_gone"
    with Stage(store, receiver.port) as stage:
        stage.start()
        shop = Shop(stage.ports(), 200, args.rate, args.seed, order_every=0)
        during(shop, lambda stop: None)
        time.sleep(4)
        refused = {cart for _, _, cart, _ in receiver.snapshot()}
        stage.replicas[0].kill()
        stage.replicas[0].start()
        time.sleep(2)
        quiet, receiver.answer = receiver.count() == len(refused), lambda cart, nth: "ok"
        status = stage.replicas[0].ops("POST", "/v1/endpoints/proof/mail/resume")[0]
        due = set(shop.acked) - refused
        began = time.monotonic()
        lab.wait_for("the rest", lambda: due <= {c for _, _, c, how in receiver.snapshot() if how == "ok"}, 100)
        took, seen, counts = time.monotonic() - began, receiver.snapshot(), stage.tallies()
        ledger = Ledger(f"f. 410, kill, resume, {store}")
        ledger.add("acknowledged, answered 410 (dead), delivered", f"{len(shop.acked)}, {len(refused)}, {len(seen) - len(refused)}")
        ledger.add("counts: dead, by why", {k: n for k, n in counts.items() if "/dead" in k or stopped in k})
        ledger.add("everything out after resume within", f"{took:.1f} s")
        ledger.check("nothing is sent while it is stopped, over a restart", quiet)
        ledger.check(f"resume is answered 2xx: {status}", status < 300)
        ledger.check("each of the rest is delivered once", len(seen) == len(shop.acked))
        ledger.check("what was answered 410 is dead", counts.get("reminders/first/dead", 0) == len(refused))
        return ledger


def tls(args, store):
    """https to a port that speaks none; a reload names the right address, and the retries arrive."""
    receiver = Receiver()
    with Stage(store, receiver.port) as stage:
        plain, stage.hook = stage.hook, stage.hook.replace("http:", "https:")
        stage.start()
        shop = Shop(stage.ports(), 150, args.rate, args.seed, order_every=0)

        def work(stop):
            time.sleep(max(0.0, shop.began + 6 - time.monotonic()))
            stage.hook = plain
            stage.replicas[0].reload()

        shop.open()
        work(None)
        shop.close()
        ledger = close(f"f. TLS broken, then mended by a reload, {store}", shop, receiver, stage, seconds=90, repeats_max=0)
        ledger.add("attempts that failed at TLS", stage.tallies().get("attempts/mail/tls_failed", stage.log_lines("tls_failed")))
        return ledger


def runs(args):
    reach = lambda *parts: lambda: badly_reached(args, *parts)
    found = []
    for store in ("embedded", "redis"):
        found += [
            ("answers", store, lambda store=store: answers(args, store, 1 if store == "embedded" else 3)),
            ("bodies", store, lambda store=store: bodies(args, store)),
            ("gone", store, lambda store=store: gone(args, store)),
            ("tls", store, lambda store=store: tls(args, store)),
            ("hook-refuse", store, reach(store, "refuse", [(3, "refuse", 0)])),
            ("hook-reset", store, reach(store, "reset", [(3, "reset", 0)])),
            ("hook-hole", store, reach(store, "black hole of 3 s", [(3, "hole", 0)])),
            ("hook-slow", store, reach(store, "latency of 200 ms", [(3, "slow", 0.1)])),
            ("hook-cut", store, reach(store, "cut mid-reply", [(0.5, "cut", (1, 15))] * 6)),
        ]
    return found
