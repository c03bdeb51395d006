//! The document says what the server does.

use serde_json::Value;

use super::openapi_json;
use super::operations::operations_json;
use super::shared::KEYLESS;

fn documents() -> [Value; 2] {
    [openapi_json(), operations_json()].map(|text| serde_json::from_str(&text).expect("valid JSON"))
}

fn document() -> Value {
    serde_json::from_str(&openapi_json()).expect("valid JSON")
}

#[test]
fn every_call_lists_its_problems_and_asks_for_a_key() {
    let document = document();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            // A protocol of others has errors of its own.
            let media = if path.starts_with("/acp/") { "application/json" } else { "application/problem+json" };
            let problem = &operation["responses"]["500"]["content"][media];
            assert!(problem.is_object(), "{method} {path}");
            let is_open = KEYLESS.contains(&path.as_str()) || path.contains("{token}");
            assert_eq!(operation["security"].is_array(), !is_open, "{method} {path}");
        }
    }
}

#[test]
fn every_call_of_operations_is_a_route_and_all_but_health_ask_for_a_key() {
    let [_, document] = documents();
    let (_, routes) = include_str!("../../api.rs").split_once("pub fn configure_ops").expect("the route table");
    let open = ["/healthz", "/readyz", "/metrics", "/openapi.json"];
    for (path, item) in document["paths"].as_object().expect("paths") {
        assert!(routes.contains(&format!("at(\"{path}\"")), "{path}");
        for (method, operation) in item.as_object().expect("operations") {
            assert_eq!(operation["security"].is_array(), !open.contains(&path.as_str()), "{method} {path}");
            assert!(
                operation["responses"]["500"]["content"]["application/problem+json"].is_object(),
                "{method} {path}"
            );
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let operations = serde_json::from_str(&operations_json()).expect("valid JSON");
    for document in [document(), operations] {
        references_of(&document);
    }
}

fn references_of(document: &Value) {
    let mut places = vec![document];
    while let Some(place) = places.pop() {
        if let Some(target) = place.get("$ref").and_then(Value::as_str) {
            let pointer = target.trim_start_matches('#');
            assert!(document.pointer(pointer).is_some(), "{target}");
        }
        match place {
            Value::Object(fields) => places.extend(fields.values()),
            Value::Array(elements) => places.extend(elements),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

#[test]
fn the_document_of_operations_tells_of_reports_in_both_forms() {
    let [_, document] = documents();
    for name in ["funnel", "reasons", "recovery", "lift"] {
        let get = &document["paths"][format!("/v1/reports/{name}")]["get"];
        let forms = get["responses"]["200"]["content"].as_object().expect("content");
        assert_eq!(forms.keys().collect::<Vec<_>>(), ["application/json", "text/csv"], "{name}");
        let names = get["parameters"].as_array().expect("parameters").iter().map(|parameter| &parameter["name"]);
        assert_eq!(names.collect::<Vec<_>>(), ["from", "to", "shop"], "{name}");
        assert!(get["security"].is_array() && get["responses"]["401"].is_object(), "{name}");
    }
}

#[test]
fn unknown_fields_are_refused_and_bounds_are_told() {
    let schemas = &document()["components"]["schemas"];
    for name in ["Cart", "CartPatch", "Item", "Shopper", "Totals", "Signal", "Reason", "Order", "Dismissal", "Batch"] {
        assert_eq!(schemas[name]["additionalProperties"], false, "{name}");
    }
    assert_eq!(schemas["Cart"]["required"], serde_json::json!(["currency"]));
    assert!(schemas["CartPatch"].get("required").is_none());
    assert_eq!(schemas["Item"]["properties"]["title"]["maxLength"], 512);
    assert_eq!(schemas["Item"]["properties"]["quantity"]["maximum"], 100_000);
}

#[test]
fn every_call_that_honours_a_preference_says_so() {
    let document = document();
    let is_prefer = |parameter: &Value| parameter["name"] == "Prefer" && parameter["in"] == "header";
    let mut honouring = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            if operation["parameters"].as_array().is_some_and(|all| all.iter().any(is_prefer)) {
                assert!(operation["responses"]["204"].is_object(), "{method} {path}");
                honouring.push(format!("{method} {}", path.trim_start_matches("/v1/carts/{cart_id}")));
            }
        }
    }
    honouring.sort();
    assert_eq!(honouring, ["patch ", "post /dismiss", "post /merge", "post /reasons", "post /signals", "put "]);
}
