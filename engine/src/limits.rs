//! Every bound of the engine and of its format, in one place.
//!
//! A length read from disk is compared with one of these before anything is allocated for it.

/// Longest event in bytes that a store can be told to take; a frame's payload length is a `u32`.
pub const EVENT_LEN_MAX: usize = 256 << 20;
/// Longest event in bytes that a store takes unless told otherwise.
pub const EVENT_LEN_DEFAULT: usize = 16 << 20;
/// Deepest nesting of arrays and objects in an event.
pub const EVENT_DEPTH_MAX: usize = 128;
/// Longest frame payload in bytes, unless one event alone is longer.
pub const FRAME_PAYLOAD_LEN: usize = 1 << 20;
/// How long a frame's payload gets in bytes before the writer begins another: whoever wants one record checks all of
/// its frame.
pub const FRAME_PAYLOAD_AIM_LEN: usize = 64 << 10;
/// Most records in one frame.
pub const FRAME_RECORDS_MAX: u32 = 1 << 16;
/// Most labels on one record: the count is a byte in the entry.
pub const LABELS_MAX: usize = 255;
/// Longest label in bytes.
pub const LABEL_LEN_MAX: usize = 64;
/// Longest entry in bytes, as C2SP tlog-tiles requires.
pub const ENTRY_LEN_MAX: usize = 65_535;
/// Most records in a log: the tree's frontier in `head` has this many bits.
pub const TREE_SIZE_MAX: u64 = 1 << 48;
/// Most records in one segment: offsets in postings are `u32`.
pub const SEGMENT_RECORDS_MAX: u32 = 1 << 24;
/// A segment is sealed when its log passes this many bytes, unless told otherwise.
pub const SEGMENT_LEN_DEFAULT: u64 = 64 << 20;
/// A segment is sealed when its oldest record is this old, in seconds, unless told otherwise.
pub const SEGMENT_AGE_DEFAULT_S: u64 = 24 * 3600;
/// How much of a log one stripe of a pack stands for, in bytes, unless one frame is longer.
pub const PACK_STRIPE_LEN: u64 = 8 << 20;
/// Most records in one stripe of a pack: their places are `u16`.
pub const PACK_STRIPE_RECORDS_MAX: u32 = 1 << 16;
/// How long a block of a pack gets in bytes before it is compressed, unless one record is longer: whoever wants one
/// record unpacks all of its block.
pub const PACK_BLOCK_AIM_LEN: usize = 32 << 10;
/// Longest origin in bytes.
pub const ORIGIN_LEN_MAX: usize = 255;
/// Longest profile text in bytes.
pub const PROFILE_LEN_MAX: usize = 64 << 10;
/// Most fields of one profile.
pub const PROFILE_FIELDS_MAX: usize = 256;
/// Longest indexed term in bytes; a longer value is *unreadable* for the index.
pub const TERM_LEN_MAX: usize = 4 << 10;
/// Longest canonical decimal in bytes; a longer number is *unreadable*. Every finite double fits.
pub const NUMBER_LEN_MAX: usize = 512;
/// Most terms of one field in one event; more are *unreadable* for the index.
pub const TERMS_PER_FIELD_MAX: usize = 256;
/// Longest event id in bytes; a longer one is *unreadable*.
pub const EVENT_ID_LEN_MAX: usize = 1 << 10;
/// Longest name of a key in bytes.
pub const KEY_NAME_LEN_MAX: usize = 255;
/// Longest signed note in bytes.
pub const NOTE_LEN_MAX: usize = 64 << 10;
/// Most signatures on one note.
pub const NOTE_SIGNATURES_MAX: usize = 100;
/// Deepest nesting of conditions in a filter, and of groups in a regular expression.
pub const FILTER_DEPTH_MAX: usize = 48;
/// Most conditions and values in a filter.
pub const FILTER_CONDITIONS_MAX: usize = 10_000;
/// Longest filter in bytes, as canonical JSON.
pub const FILTER_LEN_MAX: usize = 1 << 20;
/// Most memory in bytes that a compiled regular expression may take.
pub const REGEX_LEN_MAX: usize = 1 << 20;
/// Most hashes of an inclusion or consistency proof: two for each level of the largest tree.
pub const PROOF_HASHES_MAX: usize = 128;
/// Longest proof file in bytes: the extra line with an entry, the hashes, the checkpoint.
pub const PROOF_LEN_MAX: usize = 192 << 10;
/// Most labels that one set of label rules can give: masking needs room too.
pub const RULE_LABELS_MAX: usize = 192;
/// Longest text of a mapping, a pack of controls or a set of label rules, in bytes.
pub const RULES_LEN_MAX: usize = 256 << 10;
/// Longest artifact in bytes.
pub const ARTIFACT_LEN_MAX: u64 = 64 << 30;
/// Most groups that a count by fields may have, and most terms that are listed at once.
pub const GROUPS_MAX: u64 = 1 << 18;
/// Longest bundle in bytes: lengths in its archive are `u32`.
pub const BUNDLE_LEN_MAX: u64 = u32::MAX as u64;
/// Most filters that one bundle speaks of.
pub const BUNDLE_FILTERS_MAX: usize = 64;
/// Most records that a challenge draws.
pub const CHALLENGE_SAMPLE_MAX: u32 = 1 << 16;
/// Longest seed of a challenge, in bytes.
pub const CHALLENGE_SEED_LEN_MAX: usize = 256;
/// Longest policy text in bytes.
pub const POLICY_LEN_MAX: usize = 256 << 10;
/// Most rules of one policy.
pub const POLICY_RULES_MAX: usize = 1_000;
/// Longest name, reason or other word of a hold or operator in bytes.
pub const HOLD_WORD_LEN_MAX: usize = 4 << 10;
/// Most operators of one log.
pub const OPERATORS_MAX: usize = 100;
/// Most ranges of records that one plan deletes.
pub const PLAN_RANGES_MAX: usize = 1 << 17;
/// Artifacts that one plan may name.
pub const PLAN_ARTIFACTS_MAX: usize = 1 << 16;
/// Moves that one plan may name.
pub const PLAN_MOVES_MAX: usize = 1 << 14;
/// Most consistency proof lines of a request to a witness, by C2SP tlog-witness.
pub const WITNESS_HASHES_MAX: usize = 63;
/// Longest body of a request to a witness in bytes: its proof's lines and a checkpoint.
pub const WITNESS_REQUEST_LEN_MAX: usize = 68 << 10;
/// Longest trust policy file in bytes.
pub const TRUST_POLICY_LEN_MAX: usize = 256 << 10;
/// Most names, of witnesses and groups together, of a trust policy; and most logs.
pub const TRUST_POLICY_NAMES_MAX: usize = 1 << 10;
