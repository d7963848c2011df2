//! Events from outside: reading one never panics, and agrees with another JSON reader on what is JSON.
//!
//! The two differ by intent in one direction: the engine also refuses what is not an object, a key twice in one
//! object, deep nesting, a byte order mark and claims to be the store's own. So what the engine takes, the other
//! takes too; and of what the engine refuses, the other takes only what has one of these reasons.
#![no_main]

use indelible_engine::source::{Fields, Profile, shipped};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static PROFILES: LazyLock<Vec<Profile>> = LazyLock::new(|| {
    shipped().iter().map(|shipped| Profile::parse(shipped.text).expect("a shipped profile")).collect()
});

fuzz_target!(|data: &[u8]| {
    let mut fields = Fields::default();
    let taken = Profile::evidence().extract(data, &mut fields).is_ok();
    let other = serde_json::from_slice::<&serde_json::value::RawValue>(data);
    if taken {
        assert!(other.is_ok(), "taken here, refused there: {other:?}");
        assert!(std::str::from_utf8(data).is_ok());
    }
    for profile in PROFILES.iter() {
        assert_eq!(profile.extract(data, &mut fields).is_ok(), taken, "profile {}", profile.name());
        let masked = profile.mask(data, Some(&[7; 32]), true);
        if let Ok(masked) = masked {
            assert!(
                !taken || profile.extract(&masked.event, &mut fields).is_ok(),
                "masked by {} it is an event no more",
                profile.name()
            );
        }
        for event in profile.split(data).unwrap_or_default() {
            let _ = profile.extract(event, &mut fields);
        }
    }
});
