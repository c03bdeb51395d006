//! Whole files: a configuration, its variables, a line of recorded sessions. The first byte says which.
#![no_main]

mod memory;

use cartwake::config::noise;
use cartwake::replay::Operation;
use libfuzzer_sys::fuzz_target;

/// The defaults are read with every configuration.
const FIXED: usize = 4 << 20;

fuzz_target!(|data: &[u8]| memory::bounded(data, FIXED, 4096, || read(data)));

fn read(data: &[u8]) {
    let Some((kind, bytes)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match kind % 3 {
        0 => noise::file(text),
        1 => noise::variables(text),
        _ => operation(text),
    }
}

/// A line is read as it was once it is written again.
fn operation(text: &str) {
    let Ok(read) = Operation::parse(text) else { return };
    let (_method, path) = read.route();
    assert!(path.len() <= 4);
    let line = serde_json::json!({"at": read.at, "op": read.kind.name(), "cart_id": read.cart_id, "body": read.body});
    assert_eq!(Operation::parse(&line.to_string()).expect("our own line"), read);
}
