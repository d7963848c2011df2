//! Evidence bundles: whatever the bytes, opening and checking end with a verdict, and what is read has one spelling.
#![no_main]

use indelible_engine::bundle::{EVIDENCE_MEMBERS, Evidence, pack, unpack};
use libfuzzer_sys::fuzz_target;

/// The key that signed the seeds' checkpoint.
const KEY: &str = "golden.example/v1+d4794626+ARKkFZLIt8F9QFnnspth6P+Wx0FfL4AzSPLwF+BbnqHa";

fuzz_target!(|data: &[u8]| {
    if let Ok(members) = unpack(data, &EVIDENCE_MEMBERS) {
        check(&members);
    }
    // Nobody guesses checksums: what stands behind them must not be trusted either.
    let members = members_of(data);
    let named: Vec<_> = EVIDENCE_MEMBERS.into_iter().zip(members.iter().copied()).collect();
    let archive = pack(&named).expect("members that are shorter than an archive may be");
    assert_eq!(unpack(&archive, &EVIDENCE_MEMBERS).expect("what was packed"), members);
    check(&members);
});

/// What lies behind each local header; the last member is all that is left where one is missing.
fn members_of(data: &[u8]) -> Vec<&[u8]> {
    let mut rest = data;
    let mut members = Vec::new();
    for name in EVIDENCE_MEMBERS {
        let start = 30 + name.len();
        let len = rest.get(18..22).and_then(|len| len.try_into().ok()).map_or(0, u32::from_le_bytes);
        let body = rest.get(start..).unwrap_or_default();
        let (member, after) = body.split_at((len as usize).min(body.len()));
        members.push(member);
        rest = after;
    }
    members
}

fn check(members: &[&[u8]]) {
    let Ok(members) = <[&[u8]; 6]>::try_from(members) else { return };
    let Ok(evidence) = Evidence::from_members(members) else { return };
    assert_eq!(evidence.members().each_ref().map(Vec::as_slice), members);
    let Ok(checked) = evidence.check(&KEY.parse().expect("a key")) else { return };
    let end = checked.scope().seqs.end;
    assert!(checked.records().all(|record| record.seq < end));
    assert_eq!(checked.records().count(), checked.len());
}
