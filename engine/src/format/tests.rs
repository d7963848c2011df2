//! Round trips, altered bytes, and the examples of docs/FORMAT.md.

use super::admin::{Admin, Seal};
use super::entry::Entry;
use super::frame::{self, Body, FrameHeader, FrameKind, FrameRecord, LabelBuf};
use super::head::Head;
use super::index::{IndexLeaf, TermKind, term_hash};
use super::log_header::LogHeader;
use crate::hash::{self, Hash, LogTree, SegmentSalt, TreeHash};
use crate::{Class, SegmentId, StoreId, Timestamp};

const RECEIVED_AT: Timestamp = Timestamp(1_775_035_800_000_000_000);
const BODY: &[u8] = br#"{"kind":"x"}"#;

fn labels() -> LabelBuf {
    let mut labels = LabelBuf::default();
    labels.push("SOC2:CC8.1").unwrap();
    labels
}

fn example_frame() -> Vec<u8> {
    let labels = labels();
    let record = FrameRecord { encoding: 0, source: 1, labels: labels.as_labels(), body: Body::Whole(BODY) };
    let mut bytes = vec![0; frame::FRAME_HEADER_LEN];
    record.encode_into(&mut bytes);
    FrameHeader {
        kind: FrameKind::Records,
        payload_len: 0,
        count: 1,
        first_seq: 2,
        received_at: RECEIVED_AT,
        synced_len: 2048,
        predecessor: LogTree::leaf(b"example"),
    }
    .seal(&mut bytes);
    bytes
}

fn example_entry() -> Vec<u8> {
    let labels = labels();
    let salt = SegmentSalt([7; 32]).record(2);
    let entry = Entry {
        encoding: 0,
        source: 1,
        seq: 2,
        received_at: RECEIVED_AT,
        body_len: BODY.len() as u32,
        labels: labels.as_labels(),
        predecessor: LogTree::leaf(b"example"),
        body_hash: hash::body(&salt, BODY),
    };
    let mut bytes = Vec::new();
    entry.encode_into(&mut bytes);
    bytes
}

fn example_head() -> Head {
    Head {
        turn: 5,
        store_id: StoreId([1; 16]),
        boot_id: [2; 16],
        generation: 3,
        active: SegmentId(4),
        durable_len: 5000,
        written_len: 6000,
        next_seq: 7,
        last_leaf: Hash([8; 32]),
        received_at: RECEIVED_AT,
        since_boot_ns: 9,
        admin_end: 5,
        closed: false,
        rolling: true,
        frontier: vec![Hash([10; 32]), Hash([11; 32]), Hash([12; 32])],
    }
}

fn example_log_header() -> LogHeader {
    LogHeader {
        store_id: StoreId([1; 16]),
        first_seq: 3,
        created_at: RECEIVED_AT,
        predecessor: Hash([4; 32]),
        salt: SegmentSalt([5; 32]),
        rewritten_by: 0,
        frontier: vec![Hash([6; 32]), Hash([7; 32])],
    }
}

fn example_index_leaf() -> IndexLeaf {
    let offsets: Vec<u8> = [0_u32, 2, 5].iter().flat_map(|offset| offset.to_le_bytes()).collect();
    IndexLeaf {
        field: hash::index_field("run"),
        term: term_hash(TermKind::Text, b"run_8bce4"),
        count: 3,
        seqs: hash::index_seqs(&offsets),
    }
}

/// The bytes of the example of this name in docs/FORMAT.md.
fn documented(name: &str) -> Vec<u8> {
    let page = include_str!("../../../docs/FORMAT.md");
    let (_, after) = page.split_once(&format!("```hex {name}\n")).expect("the page has this example");
    let (block, _) = after.split_once("```").expect("the example ends");
    block.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).expect("hex")).collect()
}

fn hex(bytes: &[u8]) -> String {
    let rows = bytes.chunks(16);
    rows.map(|row| row.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ") + "\n")
        .collect()
}

#[test]
fn the_examples_of_the_format_page_are_what_is_written_and_are_read() {
    for (name, bytes) in [
        ("frame", example_frame()),
        ("entry", example_entry()),
        ("index-leaf", example_index_leaf().encode().to_vec()),
        ("index-leaf-hash", example_index_leaf().hash().0.to_vec()),
    ] {
        assert_eq!(hex(&documented(name)), hex(&bytes), "example {name} of docs/FORMAT.md");
    }
    let bytes = documented("frame");
    let (header, payload) = frame::decode(&bytes).unwrap();
    let records = frame::records(payload, header.count).unwrap();
    assert_eq!(records[0].body.bytes(), Some(BODY));
    assert_eq!(records[0].labels.iter().collect::<Vec<_>>(), ["SOC2:CC8.1"]);
    let bytes = documented("entry");
    let entry = Entry::decode(&bytes).unwrap();
    assert_eq!((entry.seq, entry.source, entry.predecessor), (2, 1, header.predecessor));
}

/// Every altered byte of a structure must be refused, and none may panic.
fn refuses_every_altered_byte<T>(bytes: &[u8], decode: impl Fn(&[u8]) -> Option<T>) {
    assert!(decode(bytes).is_some());
    for at in 0..bytes.len() {
        for change in [1, 0x80, 0xff] {
            let mut altered = bytes.to_vec();
            altered[at] ^= change;
            assert!(decode(&altered).is_none(), "byte {at} changed by {change:02x}");
        }
        assert!(decode(&bytes[..at]).is_none(), "cut to {at}");
    }
}

#[test]
fn checksummed_structures_refuse_every_altered_byte_and_every_cut() {
    let frame = example_frame();
    refuses_every_altered_byte(&frame, |bytes| frame::decode(bytes).ok().map(|_| ()));
    let header = example_log_header();
    assert_eq!(LogHeader::decode(&header.encode()).unwrap().0, header);
    refuses_every_altered_byte(&header.encode(), |bytes| LogHeader::decode(bytes).ok());
    let head = example_head();
    assert_eq!(Head::decode(&head.encode()).unwrap(), head);
    refuses_every_altered_byte(&head.encode(), |bytes| Head::decode(bytes).ok());
}

#[test]
fn what_an_entry_decoder_accepts_it_encodes_to_the_same_bytes() {
    let bytes = example_entry();
    for at in 0..bytes.len() {
        for change in 1..=255 {
            let mut altered = bytes.clone();
            altered[at] ^= change;
            if let Ok(entry) = Entry::decode(&altered) {
                let mut again = Vec::new();
                entry.encode_into(&mut again);
                assert_eq!(again, altered);
            }
        }
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(Entry::decode(&longer).is_err(), "trailing bytes");
    let mut newer = bytes;
    newer[0] = 2;
    assert_eq!(Entry::decode(&newer).unwrap_err().class, Class::Unsupported);
}

#[test]
fn another_read_version_is_unsupported_and_another_write_version_is_told() {
    let with_version = |at: usize| {
        let mut bytes = example_log_header().encode();
        bytes[at] = 9;
        let crc = crc32fast::hash(&bytes[..2044]);
        bytes[2044..].copy_from_slice(&crc.to_le_bytes());
        LogHeader::decode(&bytes)
    };
    assert_eq!(with_version(8).unwrap_err().class, Class::Unsupported);
    assert_eq!(with_version(10).unwrap().1, super::Writable::No { found: 9 });
}

#[test]
fn the_stores_own_records_have_one_spelling() {
    let seal = Admin::Sealed(Seal {
        end_seq: 9,
        first_seq: 3,
        index_root: Hash([1; 32]).to_string(),
        root: Hash([2; 32]).to_string(),
        rules: Hash([3; 32]).to_string(),
    });
    let body = seal.encode();
    let text = String::from_utf8(body.clone()).unwrap();
    assert!(text.starts_with(r#"{"end_seq":9,"first_seq":3,"index_root":"0101"#), "{text}");
    assert_eq!(Admin::decode(&body).unwrap(), seal);
    for other in [text.replace(",", ", "), text.replace("9,", "9.0,"), text.replace("}", r#","x":1}"#)] {
        assert_eq!(Admin::decode(other.as_bytes()).unwrap_err().class, Class::Damaged, "{other}");
    }
}

#[test]
fn a_kind_of_another_release_is_unsupported_and_no_other_record() {
    let class = |body: &str| Admin::decode(body.as_bytes()).unwrap_err().class;
    assert_eq!(class(r#"{"kind":"store.later","what":[1.5]}"#), Class::Unsupported);
    for other in [
        r#"{"kind":"store.clock"}"#,
        r#"{"kind":"later"}"#,
        r#"{"kind":7}"#,
        r#"{"what":"store.later"}"#,
        r#"{"approvals":[],"kind":"store.hold_released","matter":{},"statement":{"action":"later"}}"#,
        "store.later",
    ] {
        assert_eq!(class(other), Class::Damaged, "{other}");
    }
}

#[test]
fn metadata_is_the_bincode_legacy_encoding() {
    #[derive(
        Debug, PartialEq, wincode::SchemaRead, wincode::SchemaWrite, bincode::Encode, bincode::Decode,
    )]
    struct Sample {
        id: [u8; 4],
        size: u64,
        list: Vec<(u64, u32)>,
        name: String,
        option: Option<u16>,
    }
    let sample = Sample {
        id: [1, 2, 3, 4],
        size: 1 << 40,
        list: vec![(1, 2), (3, 4)],
        name: "segment".to_owned(),
        option: Some(7),
    };
    let bytes = super::codec::encode(&sample).unwrap();
    let (payload, _) = bytes.split_last_chunk::<4>().unwrap();
    assert_eq!(payload, bincode::encode_to_vec(&sample, bincode::config::legacy()).unwrap());
    let (back, read): (Sample, usize) =
        bincode::decode_from_slice(payload, bincode::config::legacy()).unwrap();
    assert_eq!((&back, read), (&sample, payload.len()));
    assert_eq!(super::codec::decode::<Sample>(&bytes).unwrap(), sample);
    refuses_every_altered_byte(&bytes, |bytes| super::codec::decode::<Sample>(bytes).ok());
    let mut trailing = payload.to_vec();
    trailing.push(0);
    let crc = crc32fast::hash(&trailing);
    trailing.extend_from_slice(&crc.to_le_bytes());
    assert!(super::codec::decode::<Sample>(&trailing).is_err(), "trailing bytes");
}
