#!/usr/bin/env python3
"""Turns recorded shopping sessions into cart-API operations, one JSON object a line, for `cartwake replay`.

    convert_sessions.py ecom|snowplow SRC_DIR OUT.ndjson

One session is one cart. Operations are in order of time; lines of the same moment keep the order of the file. The last
line moves the server's event clock a week past the end, so that everything that stalls is seen to stall.
Nothing personal is copied: the browser's id becomes a hash; account ids and addresses are left out.
"""

import csv
import gzip
import hashlib
import json
import sys
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

AFTER_THE_END = timedelta(days=7)
PRICES = [1290, 1990, 2490, 3950, 4990, 7900, 12900, 19900]


def rows(path):
    opened = gzip.open(path, "rt", newline="") if path.suffix == ".gz" else open(path, newline="")
    with opened as file:
        yield from csv.DictReader(file)


def moment(text):
    parsed = datetime.fromisoformat(text.replace(" UTC", ""))
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=timezone.utc)


def rfc3339(at):
    return at.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def operation(at, op, cart_id=None, body=None):
    line = {"at": rfc3339(at), "op": op}
    if cart_id is not None:
        line["cart_id"] = cart_id
    if body is not None:
        line["body"] = body
    return line


def digest(text, length=16):
    return hashlib.sha256(text.encode()).hexdigest()[:length]


# --- ecom ------------------------------------------------------------------------------------------------------------

ECOM_STAGES = {"add_to_cart": "cart", "cart": "cart", "shipping_details": "shipping", "payment_details": "payment"}
ECOM_PAGES = {"compare": "comparison", "support_chat": "contact"}


def ecom_line(session):
    number = int(digest(session, 8), 16)
    product = f"p-{number % 40 + 1}"
    return {"id": "line-1", "product_id": product, "title": f"Product {product}", "quantity": 1,
            "unit_price_minor": PRICES[number % len(PRICES)]}


def ecom_operation(at, session, event, has_cart):
    line = ecom_line(session)
    if event in ECOM_STAGES:
        body = {"currency": "EUR", "stage": ECOM_STAGES[event], "items": [line],
                "checkout_url": f"https://shop.example/checkout/{session}"}
        return operation(at, "put", session, body)
    if event == "purchase":
        body = {"order_id": f"order-{session}", "cart_id": session, "status": "paid", "currency": "EUR",
                "total_minor": line["unit_price_minor"]}
        return operation(at, "order", session, body)
    if not has_cart:
        return None
    if event == "payment_error":
        return operation(at, "signal", session, {"kind": "payment_failed", "class": "processing"})
    if event == "checkout_bug":
        return operation(at, "signal", session, {"kind": "error_shown", "where": "checkout"})
    return operation(at, "signal", session, {"kind": "page_viewed", "page": ECOM_PAGES.get(event, "product")})


def ecom(source):
    events = [(moment(row["timestamp"]), row["session_id"], row["event"]) for row in rows(source / "events.csv.gz")]
    events.sort(key=lambda event: event[0])
    with_cart, orders = set(), {}
    for at, session, event in events:
        line = ecom_operation(at, session, event, session in with_cart)
        if line is None:
            continue
        if line["op"] == "order":
            # A second purchase in a session is a second order.
            orders[session] = orders.get(session, 0) + 1
            if orders[session] > 1:
                line["body"]["order_id"] += f"-{orders[session]}"
        with_cart.add(session)
        yield at, line


# --- snowplow --------------------------------------------------------------------------------------------------------

SNOWPLOW_PREFIX = "com_snowplowanalytics_snowplow_"


def snowplow_stage(step):
    return {1: "contact", 2: "shipping"}.get(step, "payment")


def by_root(source, name):
    found = {}
    for row in rows(source / "source" / f"{SNOWPLOW_PREFIX}{name}.csv"):
        found.setdefault(row["root_id"], []).append(row)
    return found


def minor(text):
    return int((Decimal(text) * 100).to_integral_value())


class SnowplowCart:
    """The lines of a session's cart so far."""

    def __init__(self, browser):
        self.lines, self.currency, self.shopper = {}, "EUR", {"anonymous_id": f"anon-{digest(browser)}"}

    def add(self, products):
        # The same line twice in one event is one line: the tracker's own cart total says so.
        for product in {row["id"]: row for row in products}.values():
            self.currency = product["currency"] or self.currency
            quantity = int(product["quantity"] or 1)
            known = self.lines.get(product["id"])
            if known:
                known["quantity"] += quantity
                continue
            line = {"id": product["id"], "product_id": product["id"], "quantity": quantity,
                    "unit_price_minor": minor(product["price"] or "0")}
            if product["name"]:
                line["title"] = product["name"]
            self.lines[product["id"]] = line

    def remove(self, products):
        for product in products:
            self.lines.pop(product["id"], None)

    def body(self, session, stage):
        return {"currency": self.currency, "stage": stage, "items": [dict(line) for line in self.lines.values()],
                "shopper": self.shopper, "checkout_url": f"https://shop.example/checkout/{session[:16]}"}


def snowplow_operation(at, session, cart, action, products, step, transaction):
    if action == "add_to_cart":
        cart.add(products)
        return operation(at, "put", session, cart.body(session, "cart"))
    if action == "remove_from_cart":
        cart.remove(products)
        return operation(at, "put", session, cart.body(session, "cart"))
    if action == "checkout_step":
        return operation(at, "put", session, cart.body(session, snowplow_stage(int(step["step"]))))
    if action == "transaction":
        body = {"order_id": transaction["transaction_id"], "cart_id": session, "status": "paid",
                "currency": transaction["currency"] or cart.currency, "total_minor": minor(transaction["revenue"]),
                "shopper": cart.shopper}
        return operation(at, "order", session, body)
    return operation(at, "signal", session, {"kind": "page_viewed", "page": "product"})


def snowplow(source):
    names = ("ecommerce_action_1", "ecommerce_product_1", "ecommerce_checkout_step_1", "ecommerce_transaction_1",
             "client_session_1")
    action, product, step, transaction, client = (by_root(source, name) for name in names)
    events = []
    for row in rows(source / "source" / "snowplow_ecommerce_events.csv.gz"):
        event = row["event_id"]
        # Mobile trackers name the session and the browser in their own context.
        session = row["domain_sessionid"] or client[event][0]["session_id"]
        browser = row["domain_userid"] or client.get(event, [{}])[0].get("user_id", session)
        events.append((moment(row["derived_tstamp"]), session, browser, event))
    events.sort(key=lambda event: event[0])
    carts = {}
    for at, session, browser, event in events:
        kind = action.get(event, [{"type": ""}])[0]["type"]
        starts = kind in ("add_to_cart", "remove_from_cart", "checkout_step", "transaction")
        if session not in carts and not starts:
            continue
        cart = carts.setdefault(session, SnowplowCart(browser))
        yield at, snowplow_operation(at, session, cart, kind, product.get(event, []), step.get(event, [{}])[0],
                                     transaction.get(event, [{}])[0])


def main():
    if len(sys.argv) != 4 or sys.argv[1] not in ("ecom", "snowplow"):
        sys.exit(__doc__)
    convert = {"ecom": ecom, "snowplow": snowplow}[sys.argv[1]]
    count, last = {}, None
    with open(sys.argv[3], "w") as out:
        for at, line in convert(Path(sys.argv[2])):
            out.write(json.dumps(line, separators=(",", ":")) + "\n")
            count[line["op"]] = count.get(line["op"], 0) + 1
            last = at
        out.write(json.dumps(operation(last + AFTER_THE_END, "advance"), separators=(",", ":")) + "\n")
    print(json.dumps({"operations": count, "last_at": rfc3339(last)}))


if __name__ == "__main__":
    main()
