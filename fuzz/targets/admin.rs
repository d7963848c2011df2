//! The store's own records: what decodes, encodes to the same bytes, and is JSON.
#![no_main]

use indelible_engine::format::admin::Admin;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(admin) = Admin::decode(data) else { return };
    assert_eq!(admin.encode(), data);
    let value: serde_json::Value = serde_json::from_slice(data).expect("a record is JSON");
    assert!(value["kind"].as_str().is_some_and(|kind| kind.starts_with("store.")));
});
