#!/usr/bin/env python3
"""Bad input of every kind: a clear 4xx problem that names the field, never a 5xx, and nothing stored.

Usage: bad_input.py [embedded] [redis]
"""

import json
import sys

import lab

GOOD = {"currency": "EUR", "stage": "cart", "items": [{"product_id": "p-1", "quantity": 1, "unit_price_minor": 100}]}


def cart(**changes):
    return {**GOOD, **changes}


def item(**changes):
    return cart(items=[{**GOOD["items"][0], **changes}])


LINE = GOOD["items"][0]
# (what, body or raw bytes, expected status, expected pointer or None)
CARTS = [
    ("empty body", b"", 400, None),
    ("no JSON", b"hello", 400, None),
    ("cut off JSON", b'{"currency": "EUR"', 400, None),
    ("trailing garbage", b'{"currency":"EUR","items":[]} x', 400, None),
    ("invalid UTF-8", b'{"currency":"\xff\xfe"}', 400, None),
    ("a lone surrogate", b'{"currency":"EUR","items":[],"coupons":["\\ud800"]}', 400, None),
    ("NaN", b'{"currency":"EUR","items":[{"product_id":"p","quantity":NaN}]}', 400, None),
    ("Infinity", b'{"currency":"EUR","items":[],"revision":Infinity}', 400, None),
    ("1e400", b'{"currency":"EUR","items":[],"revision":1e400}', (400, 422), None),
    ("2^70", b'{"currency":"EUR","items":[],"revision":1180591620717411303424}', 422, "/revision"),
    ("nested too deep", b'{"attributes":' + b"[" * 5000 + b"]" * 5000 + b"}", (400, 422), None),
    ("an array", b"[]", 422, ""),
    ("null", b"null", 422, ""),
    ("a duplicate field", b'{"currency":"EUR","currency":"USD","items":[]}', (400, 422), None),
    ("unknown field", cart(colour="red"), 422, "/colour"),
    ("unknown nested field", item(colour="red"), 422, "/items/0/colour"),
    ("no currency", {"items": []}, 422, "/currency"),
    ("unknown currency", cart(currency="ZZZ"), 422, "/currency"),
    ("lower-case currency", cart(currency="eur"), 422, "/currency"),
    ("currency of the wrong type", cart(currency=978), 422, "/currency"),
    ("unknown stage", cart(stage="checkout"), 422, "/stage"),
    ("items of the wrong type", cart(items={}), 422, "/items"),
    ("an item of the wrong type", cart(items=["p-1"]), 422, "/items/0"),
    ("201 lines", cart(items=[LINE] * 201), 422, "/items"),
    ("no product id", cart(items=[{"quantity": 1}]), 422, "/items/0/product_id"),
    ("product id too long", item(product_id="p" * 129), 422, "/items/0/product_id"),
    ("quantity 0", item(quantity=0), 422, "/items/0/quantity"),
    ("quantity -1", item(quantity=-1), 422, "/items/0/quantity"),
    ("quantity 1.5", item(quantity=1.5), 422, "/items/0/quantity"),
    ("quantity as text", item(quantity="1"), 422, "/items/0/quantity"),
    ("negative money", item(unit_price_minor=-5), 422, "/items/0/unit_price_minor"),
    ("money as a float", item(unit_price_minor=19.99), 422, "/items/0/unit_price_minor"),
    ("too much money", item(unit_price_minor=10**16), 422, "/items/0/unit_price_minor"),
    ("negative total", cart(totals={"total_minor": -1}), 422, "/totals/total_minor"),
    ("title too long", item(title="x" * 513), 422, "/items/0/title"),
    ("a URL that is none", cart(checkout_url="not a url"), 422, "/checkout_url"),
    ("a script URL", cart(checkout_url="javascript:alert(1)"), 422, "/checkout_url"),
    ("a URL with a password", cart(checkout_url="https://a:b@shop.example/"), 422, "/checkout_url"),
    ("a URL too long", cart(checkout_url="https://shop.example/" + "x" * 2048), 422, "/checkout_url"),
    ("an address that is none", cart(shopper={"email": "joe"}), 422, "/shopper/email"),
    ("an address too long", cart(shopper={"email": "j" * 250 + "@e.com"}), 422, "/shopper/email"),
    ("a phone of letters", cart(shopper={"phone": "call me"}), 422, "/shopper/phone"),
    ("a country that is none", cart(shopper={"country": "Germany"}), 422, "/shopper/country"),
    ("an unknown channel", cart(consent=[{"channel": "fax", "status": "granted"}]), 422, "/consent/0/channel"),
    ("33 attributes", cart(attributes={f"k{n}": "v" for n in range(33)}), 422, "/attributes"),
    ("attribute key too long", cart(attributes={"k" * 65: "v"}), 422, None),
    ("attribute value too long", cart(attributes={"k": "v" * 1025}), 422, "/attributes/k"),
    ("attribute of the wrong type", cart(attributes={"k": 1}), 422, "/attributes/k"),
    ("17 coupons", cart(coupons=["c"] * 17), 422, "/coupons"),
    ("a time that is none", cart(occurred_at="yesterday"), 422, "/occurred_at"),
    ("a time without a zone", cart(occurred_at="2026-11-22T06:00:00"), 422, "/occurred_at"),
    ("negative revision", cart(revision=-1), 422, "/revision"),
    ("a test flag as text", cart(test="yes"), 422, "/test"),
    ("more than 256 KiB", cart(attributes={"k": "v" * 300_000}), 413, None),
]
OTHERS = [  # (what, method, path, body, headers, key, expected status, expected pointer)
    ("wrong key", "PUT", "/v1/carts/x", GOOD, {}, "cw_server_wrong", 401, None),
    ("empty key", "PUT", "/v1/carts/x", GOOD, {}, "", 401, None),
    ("wrong content type", "PUT", "/v1/carts/x", b"a=b", {"content-type": "application/x-www-form-urlencoded"}, None, 415, None),
    ("wrong method", "POST", "/v1/carts/x", GOOD, {}, None, 405, None),
    ("unknown route", "GET", "/v2/carts", None, {}, None, 404, None),
    ("a cart id too long", "PUT", "/v1/carts/" + "x" * 129, GOOD, {}, None, (400, 404, 422), None),
    ("a cart id with an address", "PUT", "/v1/carts/joe%40example.com", GOOD, {}, None, (400, 404, 422), None),
    ("a cart id with a slash", "PUT", "/v1/carts/a%2Fb", GOOD, {}, None, (400, 404, 422), None),
    ("an idempotency key too long", "PUT", "/v1/carts/x", GOOD, {"idempotency-key": "k" * 300}, None, (400, 422), None),
    ("a limit that is none", "GET", "/v1/carts?limit=many", None, {}, None, (400, 422), None),
    ("a limit of 0", "GET", "/v1/carts?limit=0", None, {}, None, (400, 422), None),
    ("an unknown state", "GET", "/v1/carts?state=odd", None, {}, None, (400, 422), None),
    ("a cursor that is none", "GET", "/v1/carts?cursor=%00%ff", None, {}, None, (400, 422), None),
    ("an unknown query", "GET", "/v1/carts?colour=red", None, {}, None, (400, 422), None),
    ("a reason nobody knows", "POST", "/v1/carts/known/reasons", {"code": "bored", "source": "reported"}, {}, None, 422, "/code"),
    ("an inferred reason", "POST", "/v1/carts/known/reasons", {"code": "other", "source": "inferred_hard"}, {}, None, 422, "/source"),
    ("a comment too long", "POST", "/v1/carts/known/reasons", {"code": "other", "source": "reported", "comment": "x" * 501}, {}, None, 422, "/comment"),
    ("a signal without a kind", "POST", "/v1/carts/known/signals", {}, {}, None, 422, "/kind"),
    ("an unknown payment class", "POST", "/v1/carts/known/signals", {"kind": "payment_failed", "class": "odd"}, {}, None, 422, "/class"),
    ("a signal of an unknown cart", "POST", "/v1/carts/never/signals", {"kind": "exit_intent"}, {}, None, 404, None),
    ("an order without an id", "POST", "/v1/orders", {"status": "paid", "currency": "EUR", "total_minor": 1}, {}, None, 422, "/order_id"),
    ("an unknown order status", "POST", "/v1/orders", {"order_id": "o", "status": "odd", "currency": "EUR", "total_minor": 1}, {}, None, 422, "/status"),
    ("a negative order", "POST", "/v1/orders", {"order_id": "o", "status": "paid", "currency": "EUR", "total_minor": -1}, {}, None, 422, "/total_minor"),
    ("a patch that is no object", "PATCH", "/v1/carts/known", b"[1]", {}, None, 422, ""),
    ("a patch that removes the currency", "PATCH", "/v1/carts/known", {"currency": None}, {}, None, 422, "/currency"),
    ("a patch that re-labels money", "PATCH", "/v1/carts/known", {"currency": "USD"}, {}, None, 422, "/currency"),
]


def run(store):
    service = lab.Service(store)
    client, wrong = service.client(), []
    assert client("PUT", "/v1/carts/known", GOOD)[0] == 201
    for what, body, status, pointer in CARTS:
        wrong += judge(service, what, "PUT", "/v1/carts/bad", body, {}, None, status, pointer)
    for what, method, path, body, headers, key, status, pointer in OTHERS:
        wrong += judge(service, what, method, path, body, headers, key, status, pointer)
    for line in wrong:
        print("      " + line)
    count = len(CARTS) + len(OTHERS)
    lab.check(f"{store}: {count} kinds of bad input, each a clear problem", not wrong)
    stored = [c["cart_id"] for c in json.loads(client("GET", "/v1/carts?limit=100")[1])["carts"]]
    lab.check(f"{store}: nothing was stored: {stored}", stored == ["known"])
    lab.check(f"{store}: no answer of 5xx",
              not any(dict(labels).get("status", "").startswith("5") and value
                      for (name, labels), value in service.metrics().items() if name == "cartwake_http_requests_total"))
    service.stop()


def judge(service, what, method, path, body, headers, key, status, pointer):
    try:
        got, text, answer = service.client()(method, path, body, headers, lab.SERVER_KEY if key is None else key)
    except OSError as error:
        return [f"{what}: connection broke ({error})"]
    allowed = status if isinstance(status, tuple) else (status,)
    wrong = []
    if got not in allowed:
        wrong.append(f"{what}: {got}, not {allowed}: {text[:200]}")
    elif not answer.get("content-type", "").startswith("application/problem+json"):
        wrong.append(f"{what}: answered {answer.get('content-type')}")
    else:
        problem = json.loads(text)
        if not problem.get("type") or not problem.get("title") or problem.get("status") != got:
            wrong.append(f"{what}: not a whole problem: {text[:200]}")
        if pointer is not None and pointer not in [e["pointer"] for e in problem.get("errors", [])]:
            wrong.append(f"{what}: does not name {pointer!r}: {text[:300]}")
    return wrong


lab.ensure_binary()
for name in sys.argv[1:] or lab.STORES:
    run(name)
