#!/usr/bin/env python3
"""A million carts scheduled and 100,000 of them due at one second, after an outage: two shops, three endpoints, one with a rate
limit; the service is killed in the middle. Then what it costs to have the rest wait.

Usage: backlog.py [SCHEDULED] [DUE]      (default 1000000 and 100000, on redis)
"""

import hashlib
import subprocess
import sys
import time

import burst
import lab

FILL = lab.ROOT / "target/release/examples/fill_store"
IDLE_S, DELAY_S, LIMIT = 60, 3_600, 500
PROGRAM = lab.program(DELAY_S, IDLE_S)


def endpoint(name, receiver, more=""):
    return f"""
[[shop.endpoint]]
name = "{name}"
url = "{receiver.url}"
secrets = ["{lab.SECRET}"]
events = ["cart.reminder"]
allow_networks = ["127.0.0.0/8"]
{more}
"""


def fill(service, shop, prefix, count, wake_at):
    subprocess.run([FILL, service.redis.url, shop, prefix, str(count), str(int(wake_at * 1000)), str(IDLE_S), str(DELAY_S)], check=True)


def ask(service, *words):
    out = subprocess.run(["redis-cli", "-p", str(service.redis.port), *words], check=True, capture_output=True, text=True, timeout=20)
    return out.stdout.strip()


def waiting(service, shop, first, last):
    """Carts of a shop whose wake is between two moments, both included."""
    return sum(int(ask(service, "ZCOUNT", f"{{cw:{shard:02d}}}:w:{shop}", str(int(first * 1000)), str(int(last * 1000))))
               for shard in range(16))


def sum_of(metrics, name, **labels):
    return sum(value for (found, of), value in metrics.items() if found == f"cartwake_{name}" and labels.items() <= dict(of).items())


def watch(service, started, receivers, until, line):
    """Looks twice a second until it holds; the largest resident size seen, in MB."""
    largest, told = 0.0, 0.0
    end = time.monotonic() + 120
    while not until():
        assert time.monotonic() < end, "it did not end in time"
        largest = max(largest, service.rss_mb())
        if time.time() - told >= 2:
            told = time.time()
            metrics = service.metrics()
            came = {name: receiver.stats()["came"] for name, receiver in receivers.items()}
            print(f"  {time.time() - started:5.1f} s: came {came}; outbox {sum_of(metrics, 'outbox_deliveries', status='pending'):.0f} pending, "
                  f"most overdue {sum_of(metrics, 'oldest_due_age_seconds'):.0f} s {line}", flush=True)
        time.sleep(0.2)
    return largest


def main(scheduled, due):
    older, newer, small, stale = due * 45 // 100, due * 45 // 100, due // 10, due // 50
    receivers = {name: burst.FastReceiver() for name in ("great", "small", "paced")}
    keys = "sha256:" + hashlib.sha256(b"cw_server_other").hexdigest()
    shops = (PROGRAM + endpoint("mail", receivers["great"])
             + f'[[shop]]\nid = "small"\nkeys = [{{ role = "server", hash = "{keys}" }}]\n' + PROGRAM
             + endpoint("mail", receivers["small"]) + endpoint("paced", receivers["paced"], f"rate_limit = {LIMIT}"))
    service = lab.Service("redis", None, shops)
    try:
        service.process.terminate()
        service.process.wait(30)
        moment, begun = int(time.time()) - 60, time.time()
        fill(service, "proof", "later", scheduled - older - newer - small - stale, moment + 30 * 86_400)
        fill(service, "proof", "stale", stale, moment - 13 * 3_600)
        fill(service, "proof", "older", older, moment - 600)
        fill(service, "proof", "newer", newer, moment)
        fill(service, "small", "small", small, moment)
        print(f"{scheduled} carts scheduled in {time.time() - begun:.0f} s, {due} of them due, and {stale} long past their time; "
              f"Redis {int(service.redis.info('used_memory')) / scheduled:.0f} bytes for each", flush=True)

        started = time.time()
        service.start()
        of = lambda name: receivers[name].stats()["came"]
        largest = watch(service, started, receivers, lambda: of("small") >= small, "")
        early = time.time() - started
        left = waiting(service, "proof", moment - 600, moment)
        print(f"the small shop's {small} had come after {early:.1f} s; {left} of {older + newer} of the great one's had not been decided", flush=True)
        lab.check("a small shop does not wait for a great one's backlog", left > (older + newer) // 2)
        untouched = waiting(service, "proof", moment, moment)
        lab.check("what is longer overdue goes first", untouched >= newer - 1_500 or waiting(service, "proof", moment - 600, moment - 1) < 1_500)

        largest = max(largest, watch(service, started, receivers, lambda: of("great") >= older // 2, ""))
        before_kill = of("great")
        service.kill()
        print(f"killed after {before_kill} of the great shop's, and started again", flush=True)
        service.start()
        ids = lambda name: receivers[name].stats()["ids"]
        all_there = lambda: ids("great") >= older + newer and ids("paced") >= small
        largest = max(largest, watch(service, started, receivers, all_there, ""))
        print(f"all there after {time.time() - started:.1f} s; at most {largest:.0f} MB resident", flush=True)
        for name, count in (("great", older + newer), ("small", small), ("paced", small)):
            stats = receivers[name].stats()
            lab.check(f"{name}: {count} reminders came, {stats['came'] - stats['ids']} of them twice", stats["ids"] == count)
        stats = receivers["paced"].stats()
        rate = (stats["came"] - 1) / ((stats["last_ms"] - stats["first_ms"]) / 1000)
        lab.check(f"the limit of {LIMIT} a second is kept: {rate:.0f}", rate <= LIMIT * 1.02)
        lab.wait_for("the last settlements", lambda: sum_of(service.metrics(), "outbox_deliveries", status="pending") == 0, 60)
        lab.check("nothing was sent past its time, and memory is bounded", largest < 300)

        time.sleep(5)
        processes = [("cartwake", service.process), ("redis", service.redis.process)]
        before = [burst.cpu_s(process) for _, process in processes]
        time.sleep(20)
        for (name, process), start in zip(processes, before):
            share = (burst.cpu_s(process) - start) / 20 * 100
            lab.check(f"idle with {scheduled - due} carts scheduled: {name} {share:.2f} % of a core", share < 1.0)
    finally:
        service.stop()
        for receiver in receivers.values():
            receiver.stop()


if __name__ == "__main__":
    lab.ensure_binary()
    main(*[int(word) for word in (sys.argv[1:] + ["1000000", "100000"][len(sys.argv) - 1:])])
