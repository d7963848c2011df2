//! An entry: what decodes, encodes to the same bytes; its leaf is the hash of exactly these.
#![no_main]

use indelible_engine::format::entry::Entry;
use indelible_engine::hash::{LogTree, TreeHash};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(entry) = Entry::decode(data) else { return };
    let mut again = Vec::new();
    entry.encode_into(&mut again);
    assert_eq!(again, data);
    assert_eq!(entry.leaf(&mut Vec::new()), LogTree::leaf(data));
});
