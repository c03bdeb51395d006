"""The days of a simulated shop as a session file for `cartwake replay`: seeded, so the same numbers give the same file.

Shoppers come by the hour of the day, leave where the published figures say that shoppers leave, and some come back.
For two days the payment does not work. Nothing here is shared with the demo of the binary.
"""

import json
import math
import random
import time

DAY = 86_400
HOURS = [1, 1, 1, 1, 1, 2, 3, 5, 7, 8, 9, 9, 10, 10, 9, 9, 9, 10, 12, 14, 15, 12, 7, 3]
PRICES = [1290, 1990, 2490, 3950, 4990, 7900, 12900, 19900]
STAGES = ["cart", "contact", "shipping", "payment"]
GO_ON = {"cart": 0.55, "contact": 0.82, "shipping": 0.74, "payment": 0.72}
MOTIVES = {
    "cart": [(46, "just_browsing", None), (16, "price_comparison", None), (10, "coupon_rejected", {"kind": "coupon_rejected"}),
             (9, "out_of_stock", {"kind": "item_unavailable"})],
    "contact": [(60, "account_required", {"kind": "account_required"}), (30, "checkout_too_long", {"kind": "field_rejected"})],
    "shipping": [(44, "shipping_cost", {"kind": "shipping_quoted", "rates": 2, "fastest_days": 3, "dear": True}),
                 (30, "delivery_time", {"kind": "shipping_quoted", "rates": 1, "fastest_days": 12}),
                 (12, "delivery_unavailable", {"kind": "shipping_quoted", "rates": 0}),
                 (12, "returns_policy", {"kind": "page_viewed", "page": "returns"})],
    "payment": [(34, "payment_declined", {"kind": "payment_failed", "class": "issuer_declined"}),
                (14, "payment_method_missing", {"kind": "payment_failed", "class": "method_unsupported"}),
                (10, "payment_error", {"kind": "payment_failed", "class": "processing"}),
                (10, "technical_error", {"kind": "error_shown", "where": "checkout", "status": 500}),
                (18, "trust_security", {"kind": "page_viewed", "page": "privacy"})],
}


def moment(at):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at * 1000) % 1000:03d}Z"


def begins(dice, day, first):
    hour = dice.choices(range(24), HOURS)[0]
    return first + day * DAY + hour * 3_600 + dice.random() * 3_600


def visit(dice, number, at, outage, lean):
    """The operations of one shopper, each (at, op, cart, body)."""
    cart, email = f"cart-{number}", f"shopper-{dice.randrange(max(10, number))}@example.com"
    lines = [{"id": f"l-{n}", "product_id": f"p-{dice.randrange(200)}", "title": f"Article {dice.randrange(200)}", "quantity": dice.choice([1, 1, 1, 2]),
              "unit_price_minor": dice.choice(PRICES)} for n in range(1 if lean else dice.choice([1, 1, 2, 3]))]
    subtotal = sum(line["quantity"] * line["unit_price_minor"] for line in lines)
    total = subtotal + 490
    body = {"currency": "EUR", "stage": "cart", "items": lines, "totals": {"subtotal_minor": subtotal, "total_minor": total},
            "shopper": {"email": email, "locale": "de-DE"}, "checkout_url": f"https://shop.example/checkout/{number}",
            "consent": [{"channel": "email", "status": "granted", "basis": "opt_in", "source": "checkout checkbox"}]}
    told = [(at, "put", cart, body)]
    order = {"order_id": f"order-{number}", "cart_id": cart, "shopper": {"email": email}, "status": "paid", "currency": "EUR", "total_minor": total}
    for stage, after in zip(STAGES, STAGES[1:] + [None]):
        at += dice.lognormvariate(math.log(70), 0.9)
        works = not (stage == "payment" and outage[0] <= at < outage[1])
        if works and dice.random() < GO_ON[stage]:
            if after is None:
                return told + [(at, "order", cart, order)]
            told.append((at, "patch", cart, {"stage": after}))
            continue
        motives = MOTIVES[stage]
        _, reason, hint = dice.choices(motives, [weight for weight, _, _ in motives])[0]
        if not works:
            reason, hint = "payment_error", {"kind": "payment_failed", "class": "processing"}
        if hint:
            signal = {name: value for name, value in hint.items() if name != "dear"}
            if signal["kind"] == "shipping_quoted" and signal["rates"]:
                signal["lowest_minor"] = subtotal // 3 if hint.get("dear") else 490
            told.append((at + 4, "signal", cart, signal))
        if not lean and dice.random() < 0.12:
            told.append((at + 20, "reason", cart, {"code": reason if dice.random() < 0.85 else "other", "source": "reported"}))
        if dice.random() < 0.17:
            back = at + dice.choice([4.4, 5, 7, 25, 27, 74]) * 3_600 + dice.random() * 3_600
            told += [(back, "patch", cart, {"stage": "payment"}), (back + 150, "order", cart, order)]
        return told
    return told


def write(path, carts, days, end, seed=7, lean=False):
    """Writes the file: so many carts, begun in the `days` days up to `end` (seconds since 1970). Gives how many lines."""
    dice = random.Random(seed)
    first = (end // DAY + 1 - days) * DAY
    outage = (end - 9.4 * DAY, end - 8.2 * DAY)
    weights = [(1.3 if day % 7 in (5, 6) else 1.0) * (1 + day / days / 3) for day in range(days)]
    told = []
    for number in range(carts):
        at = min(begins(dice, dice.choices(range(days), weights)[0], first), end - 600)
        told += visit(dice, number, at, outage, lean)
    told = sorted((one for one in told if one[0] < end), key=lambda one: one[0])
    with open(path, "w") as out:
        for at, op, cart, body in told:
            out.write(json.dumps({"at": moment(at), "op": op, "cart_id": cart, "body": body}, separators=(",", ":")) + "\n")
        out.write(json.dumps({"at": moment(end), "op": "advance"}) + "\n")
    return len(told)
