"""Starts a private server and runs the fuzzer given against it: on the document as served, and once more with the names of
the shop and of carts pinned to ones that exist, so that it gets past the doors. Called by scripts/proof/fuzz."""

import json
import subprocess
import sys

import lab

PINNED = {"shop": ["proof"], "cart_id": ["known", "other"]}


def pinned(document):
    for path in document["paths"].values():
        for operation in path.values():
            for parameter in operation.get("parameters", []) if isinstance(operation, dict) else []:
                if parameter["name"] in PINNED:
                    parameter["schema"] = {"type": "string", "enum": PINNED[parameter["name"]]}
    return document


lab.ensure_binary()
service = lab.Service(sys.argv[2])
url = f"http://127.0.0.1:{service.port}"
for cart in PINNED["cart_id"]:
    assert service.client()("PUT", f"/v1/carts/{cart}", lab.cart(1))[0] == 201
document = pinned(json.loads(service.client()("GET", "/openapi.json")[1]))
inside = service.folder / "openapi.json"
inside.write_text(json.dumps(document))
codes = [
    subprocess.run(
        [sys.argv[1], "run", schema, "--url", url, "--header", f"Authorization: Bearer {lab.SERVER_KEY}",
         # It has no way to write JSON lines; those have a fuzz target of their own (fuzz/targets/bodies.rs).
         "--exclude-path", "/v1/batch",
         "--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
         "--max-examples", "120", "--generation-deterministic", "--workers", "1"]).returncode
    for schema in (f"{url}/openapi.json", str(inside))]
answers = [(dict(labels), value) for (name, labels), value in service.metrics().items()
           if name == "cartwake_http_requests_total"]
service.stop()
lab.check(f"the fuzzer found nothing in {sum(value for _, value in answers):.0f} requests", codes == [0, 0])
# Not ready yet is what /readyz is for.
failed = [f"{value:.0f} of {labels['route']} {labels['status']}" for labels, value in answers
          if labels["status"].startswith("5") and labels["route"] != "/readyz" and value]
lab.check("no answer of 5xx" + "".join(f": {one}" for one in failed), not failed)
