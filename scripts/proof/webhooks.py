#!/usr/bin/env python3
"""The official standardwebhooks library from PyPI accepts every reminder, and rejects each with a byte changed.

Usage: webhooks.py [embedded] [redis]; needs `pip install standardwebhooks`.
"""

import sys


import lab

try:
    from standardwebhooks import Webhook, WebhookVerificationError
except ImportError:
    raise SystemExit("pip install standardwebhooks")

CARTS = 200
PROGRAM = """
[shop.program]
quiet_hours = "off"
caps = []
service.reasons = []
experiment.holdout_percent = 0
steps = [{ name = "first", delay = "1s", channel = "email" }]
[shop.program.idle]
shipping = "1s"
"""


def run(store):
    receiver = lab.Receiver()
    service = lab.Service(store, receiver, PROGRAM, "")
    client = service.client()
    for n in range(CARTS):
        status, text, _ = client("PUT", f"/v1/carts/c-{n}", lab.cart(n))
        assert status == 201, text
    lab.wait_for("every reminder", lambda: receiver.count() >= CARTS, 30)
    judge, rejected = Webhook(lab.SECRET), 0
    for _, webhook_id, timestamp, signature, body in receiver.snapshot():
        headers = {"webhook-id": webhook_id, "webhook-timestamp": timestamp, "webhook-signature": signature}
        judge.verify(body, headers)
        for place in (0, len(body) // 2, len(body) - 1):
            forged = body[:place] + bytes([body[place] ^ 1]) + body[place + 1:]
            try:
                judge.verify(forged, headers)
            except (WebhookVerificationError, ValueError):
                rejected += 1
    lab.check(f"{store}: {receiver.count()} of {CARTS} reminders verified by the official library",
              receiver.count() == CARTS)
    lab.check(f"{store}: {rejected} of {3 * CARTS} forgeries rejected", rejected == 3 * CARTS)
    lab.check(f"{store}: the largest body is {max(len(s[4]) for s in receiver.snapshot())} bytes, under 20 kB",
              all(len(s[4]) < 20_000 for s in receiver.snapshot()))
    service.stop()


lab.ensure_binary()
for name in sys.argv[1:] or lab.STORES:
    run(name)
