//! Profiles from outside: parsing never panics, and a profile that parses reads events.
#![no_main]

use indelible_engine::source::{Fields, Profile};
use libfuzzer_sys::fuzz_target;

const EVENT: &[u8] =
    br#"{"kind":"tool","id":"e-1","time":"2026-05-01T12:00:00Z","n":[1,2.5e3,{"a":null}],"t":"x"}"#;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(profile) = Profile::parse(text) else { return };
    assert_eq!(profile.text(), text);
    let mut fields = Fields::default();
    assert!(profile.extract(EVENT, &mut fields).is_ok());
    for (slot, _) in fields.terms() {
        assert!(usize::from(slot) < profile.fields().len());
    }
    let _ = profile.mask(EVENT, Some(&[7; 32]), true);
    let _ = profile.split(EVENT);
});
