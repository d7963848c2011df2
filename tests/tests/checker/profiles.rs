//! Index roots: the second verifier rebuilds them from the events alone, by every shipped profile and by one that has a
//! field of every kind.

use std::path::Path;

use indelible_engine::source::{Profile, shipped};
use indelible_engine::{Masking, OnDuplicate, Options, Store};

use super::Checker;

/// What it reads is slow work for the second verifier, so there is a bound on it.
const EVENTS_MAX: usize = 20;
const EVENT_LEN_MAX: usize = 3000;

const EVERY_KIND: &str = r#"
name = "every-kind"
version = "1"
[[field]]
name = "id"
kind = "id"
join = true
paths = ["id", { path = "stage", when = "staged", is = ["true", "yes"] }]
[[field]]
name = "at"
kind = "time"
forms = ["rfc3339", "epoch_ms"]
paths = ["at", "then.at"]
[[field]]
name = "who"
paths = [{ path = "actor.id", when = "actor.type", is = ["agent"] }, "actor.name", "actor"]
[[field]]
name = "size"
kind = "number"
paths = ["size", "list[1]"]
[[field]]
name = "tag"
paths = ["tags[]", "tags", "a.\"b.c\"", "list[].tag"]
all = true
[[field]]
name = "control"
kind = "control"
framework = "ISO27001"
paths = ["control", "controls[]"]
all = true
[[field]]
name = "secret"
private = true
paths = ["secret"]
"#;

/// Values that are hard to read, each tried in each place.
const VALUES: &[&str] = &[
    "null",
    "true",
    "false",
    "0",
    "-0",
    "-0.0",
    "1e3",
    "1.50",
    "-12.5e-2",
    "1e511",
    "1e512",
    "1e-600",
    "0e9999999999",
    "123456789012345678901234567890.1234567890",
    "0.000",
    "5E+2",
    r#""""#,
    r#""text""#,
    r#""12""#,
    r#""-1.5e2""#,
    r#""01""#,
    r#""a/b~c""#,
    r#""\u00e9\ud83d\ude00\n""#,
    r#""2026-04-01T09:30:00Z""#,
    r#""2026-04-01T23:30:00.123456789123-05:30""#,
    r#""1969-12-31 23:59:59.999z""#,
    r#""2016-12-31T23:59:60Z""#,
    r#""2026-04-01T09:30:00""#,
    r#""1500-01-01T00:00:00Z""#,
    r#""2026-02-29T00:00:00Z""#,
    "1775035800000",
    "-1.0000001",
    r#""1775035800000.5""#,
    "99999999999999999999",
    "[]",
    "{}",
    r#"["a",["b"],{"tag":"c"},null,"a",2]"#,
    r#"[{"tag":{"x":1}},7.0]"#,
    r#"{"type":"agent","id":"a1","name":"n"}"#,
    r#"{"type":"human","id":"h1","name":"n"}"#,
    r#"{"type":"human","id":"h2"}"#,
    r#"{"name":null}"#,
    r#"{"at":17}"#,
    r#"{"b.c":"x"}"#,
    r#""soc 2 cc6.1""#,
    r#""SOC2:CC6.1""#,
    r#""soc2_cc_6_1""#,
    r#""NIST SP 800-53 Rev. 5 AC-2 (1)""#,
    r#""iso27001:2022:a.5.1""#,
    r#""PCI DSS v4.0.1: Requirement 10.2.1""#,
    r#""GDPR Art. 32""#,
    r#""eu-ai-act:article 12""#,
    r#""cisco thing""#,
    r#""acme_rules: x--12 (b)""#,
    r#""a 5_1""#,
    r#""5 1""#,
    r#"":x""#,
    r#""soc2:""#,
    r#""soc21 x""#,
    r#"" hipaa/164.312 (a) , (1)""#,
    r#""tsc2017:cc1""#,
    r#""nist 800-53r5ac-2""#,
    r#"["SOC2:CC6.1","soc 2 cc6.1",7,null,{"x":1}]"#,
    r#""straße 1""#,
];
const PLACES: [&str; 11] =
    ["id", "stage", "staged", "at", "then", "actor", "size", "list", "tags", "control", "controls"];

fn every_kind() -> Vec<String> {
    let mut events = Vec::new();
    for (at, value) in VALUES.iter().enumerate() {
        let other = |by: usize| VALUES[(at + by) % VALUES.len()];
        for (place, key) in PLACES.iter().enumerate() {
            // Each place in turn has each value, others beside it.
            if (at + place) % 3 == 0 {
                events.push(format!(
                    r#"{{"{key}":{value},"a":{},"secret":{},"x{key}":1,"staged2":[{}]}}"#,
                    other(place),
                    other(7),
                    other(11)
                ));
            }
        }
        events.push(format!(
            r#"{{"stage":{},"id":{value},"staged":{},"actor":{},"at":{},"then":{{"at":{}}},"tags":{},"size":{}}}"#,
            other(17),
            if at % 2 == 0 { "true" } else { r#""yes""# },
            other(3),
            other(5),
            other(9),
            other(21),
            other(30),
        ));
    }
    events.push(format!(r#"{{"tags":[{}]}}"#, (0..300).map(|n| n.to_string()).collect::<Vec<_>>().join(",")));
    events.push(format!(r#"{{"tags":"{}","control":"{}","id":"{0}"}}"#, "t".repeat(4097), "c ".repeat(3000)));
    events
}

/// The events of a shipped profile's test data that are not too long.
fn samples(name: &str) -> Vec<String> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/testdata/sources").join(name);
    let mut files: Vec<_> =
        std::fs::read_dir(dir).into_iter().flatten().flatten().map(|file| file.path()).collect();
    files.sort();
    let texts = files.iter().filter(|path| path.extension().is_some_and(|extension| extension != "json"));
    let texts: Vec<String> = texts.map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let lines = texts.iter().flat_map(|text| text.lines()).filter(|line| line.len() <= EVENT_LEN_MAX);
    lines.take(EVENTS_MAX).map(str::to_owned).collect()
}

#[test]
fn index_roots_are_rebuilt_from_the_events() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("store");
    let store =
        Store::create(&root, Options::new("profiles.example/store").seal_in_background(false)).unwrap();
    let mut all: Vec<(Profile, Vec<String>)> = shipped()
        .iter()
        .map(|shipped| (Profile::parse(shipped.text).unwrap(), samples(shipped.name)))
        .collect();
    all.push((Profile::parse(EVERY_KIND).unwrap(), every_kind()));
    let mut count = 0;
    for (profile, events) in &all {
        let source = store.source(profile).unwrap();
        let prepared = events.iter().map(|event| {
            store.prepare(&source, event.clone().into_bytes(), &Masking::default()).unwrap_or_else(|error| {
                panic!("{event}: {error}");
            })
        });
        store.commit(prepared.collect(), OnDuplicate::Keep).unwrap();
        store.seal().unwrap();
        count += events.len();
    }
    assert!(count > 300, "{count}");
    store.close().unwrap();
    let opinion = Checker::start().ask("store", &root, "");
    assert_eq!(opinion.verdict, "clean", "{:#}", opinion.said);
}
