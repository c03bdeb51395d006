#!/usr/bin/env python3
"""How late reminders are at a steady 200 a second: from the moment a step is due to the arrival at the receiver.

Usage: lateness.py [embedded] [redis] [whole]

With `whole` each store runs a second time with the whole program on: quiet hours, caps, consent, an experiment.
"""

import json
import sys
import time

import lab

RATE, SECONDS, IDLE_S, DELAY_S = 200, 10, 2, 1


def run(store, whole=False):
    receiver = lab.Receiver()
    service = lab.Service(store, receiver, lab.program(DELAY_S, IDLE_S, whole), "")
    clients, due = [service.client() for _ in range(4)], {}
    start = time.time() + 0.2

    def put(worker, n):
        at = int((start + n / RATE) * 1000) / 1000
        time.sleep(max(0.0, at - time.time()))
        assert clients[worker]("PUT", f"/v1/carts/c-{n}", lab.cart(n, at))[0] == 201
        due[f"c-{n}"] = at + IDLE_S + DELAY_S

    count = RATE * SECONDS
    lab.in_parallel(put, range(count), threads=4)
    lab.wait_for("every reminder", lambda: receiver.count() >= count, 30)
    late = sorted(arrived / 1e6 - due[json.loads(body)["data"]["cart_id"]] for arrived, _, _, _, body in receiver.snapshot())
    at = lambda share: late[min(len(late) - 1, int(len(late) * share))] * 1000
    print(f"{store}: {count} reminders at {RATE}/s, late p50 {at(0.5):.1f} ms, p99 {at(0.99):.1f} ms, max {at(1):.1f} ms")
    metrics = service.metrics()
    waits = {dict(labels)["le"]: value for (name, labels), value in metrics.items() if name == "cartwake_wake_lag_seconds_bucket"}
    print(f"{store}: of {waits['+Inf']:.0f} wakes {waits['0.1']:.0f} were decided within 100 ms of their moment")
    lab.check(f"{store}: none was early, and the median is below 100 ms", late[0] >= -0.001 and at(0.5) < 100)
    service.stop()


lab.ensure_binary()
for name in [word for word in sys.argv[1:] if word in lab.STORES] or lab.STORES:
    run(name)
    if "whole" in sys.argv:
        print(f"{name}, with the whole program on:")
        run(name, whole=True)
