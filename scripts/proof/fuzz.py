"""Starts a private server and runs the fuzzer given against it. Called by scripts/proof/fuzz."""

import subprocess
import sys

import lab

lab.ensure_binary()
service = lab.Service(sys.argv[2])
assert service.client()("PUT", "/v1/carts/known", lab.cart(1))[0] == 201
result = subprocess.run(
    [sys.argv[1], "run", f"http://127.0.0.1:{service.port}/openapi.json",
     "--header", f"Authorization: Bearer {lab.SERVER_KEY}",
     "--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
     "--max-examples", "150", "--generation-deterministic", "--workers", "1"])
failed = sum(value for (name, labels), value in service.metrics().items()
             if name == "cartwake_http_requests_total" and dict(labels)["status"].startswith("5"))
requests = sum(value for (name, _), value in service.metrics().items() if name == "cartwake_http_requests_total")
service.stop()
lab.check(f"the fuzzer found nothing in {requests:.0f} requests", result.returncode == 0)
lab.check("no answer of 5xx", failed == 0)
