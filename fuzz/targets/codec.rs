//! Metadata that people never read: what decodes, encodes to the same bytes; lengths that lie cost no memory.
#![no_main]

use indelible_engine::format::codec;
use libfuzzer_sys::fuzz_target;
use wincode::{SchemaRead, SchemaWrite};

/// Of the catalog's shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, SchemaRead, SchemaWrite)]
struct Place {
    first_seq: u64,
    end_seq: u64,
    log_len: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, SchemaRead, SchemaWrite)]
struct Catalog {
    store_id: [u8; 16],
    admin_end: u64,
    admin: Vec<Place>,
    sealed: Vec<Place>,
    name: String,
    bytes: Vec<u8>,
}

fuzz_target!(|data: &[u8]| {
    let _ = codec::decode::<Catalog>(data);
    let mut bytes = data.to_vec();
    bytes.extend_from_slice(&crc32fast::hash(data).to_le_bytes());
    let Ok(catalog) = codec::decode::<Catalog>(&bytes) else { return };
    assert_eq!(codec::encode(&catalog).expect("it was encoded once"), bytes);
});
