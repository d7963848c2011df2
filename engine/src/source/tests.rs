//! The scanner against foreign vectors and another parser, and extraction as a whole.

use std::path::Path;

use super::keys::Print;
use super::path::{Entry, Trie};
use super::scan::{Scalar, Sink, Top, scan};
use super::*;
use crate::{Error, Timestamp, limits};

/// A sink that keeps nothing.
struct Nothing;

impl<'a> Sink<'a> for Nothing {
    fn key(&mut self, _: &[u8], _: Print, _: usize) {}
    fn start(&mut self, _: bool, _: usize) {}
    fn end(&mut self, _: usize) {}
    fn scalar(&mut self, _: Scalar<'a>, _: usize, _: usize) {}
}

fn check(json: &[u8]) -> Result<(), (u64, String)> {
    match scan(json, Top::Any, limits::EVENT_DEPTH_MAX, &mut Nothing) {
        Ok(()) => Ok(()),
        Err(Error::InvalidEvent { offset, reason }) => Err((offset, reason)),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn the_json_test_suite_is_judged_as_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/json-test-suite");
    let (mut good, mut bad, mut free) = (0, 0, 0);
    for file in std::fs::read_dir(folder).unwrap() {
        let file = file.unwrap();
        let name = file.file_name().into_string().unwrap();
        let json = std::fs::read(file.path()).unwrap();
        let verdict = check(&json);
        match name.as_bytes()[0] {
            // Evidence takes a key once, which RFC 8259 leaves open.
            b'y' if name.contains("duplicated_key") => {
                assert_eq!(verdict.unwrap_err().1, "this key is in its object already; a key may stand once")
            }
            b'y' => {
                assert_eq!(verdict, Ok(()), "{name}");
                good += 1;
            }
            b'n' => {
                assert!(verdict.is_err(), "{name}");
                bad += 1;
            }
            b'i' => {
                // Numbers of any size are kept; text must be Unicode; nesting is bounded.
                assert_eq!(verdict.is_ok(), name.starts_with("i_number"), "{name}: {verdict:?}");
                free += 1;
            }
            _ => {}
        }
    }
    assert_eq!((good, bad, free), (46, 94, 18), "no vector is missing");
}

/// What serde_json says of the bytes, and of the keys of each object.
fn other_parser(json: &[u8]) -> bool {
    struct Strict;
    impl<'de> serde::de::Visitor<'de> for Strict {
        type Value = ();
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("JSON")
        }
        fn visit_unit<E>(self) -> Result<(), E> {
            Ok(())
        }
        fn visit_bool<E>(self, _: bool) -> Result<(), E> {
            Ok(())
        }
        fn visit_i64<E>(self, _: i64) -> Result<(), E> {
            Ok(())
        }
        fn visit_u64<E>(self, _: u64) -> Result<(), E> {
            Ok(())
        }
        fn visit_f64<E>(self, _: f64) -> Result<(), E> {
            Ok(())
        }
        fn visit_str<E>(self, _: &str) -> Result<(), E> {
            Ok(())
        }
        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
            while seq.next_element_seed(Seed)?.is_some() {}
            Ok(())
        }
        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
            let mut keys = std::collections::HashSet::new();
            while let Some(key) = map.next_key::<String>()? {
                map.next_value_seed(Seed)?;
                if !keys.insert(key) {
                    return Err(serde::de::Error::custom("twice"));
                }
            }
            Ok(())
        }
    }
    struct Seed;
    impl<'de> serde::de::DeserializeSeed<'de> for Seed {
        type Value = ();
        fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
            from.deserialize_any(Strict)
        }
    }
    let mut from = serde_json::Deserializer::from_slice(json);
    serde::de::DeserializeSeed::deserialize(Seed, &mut from).and_then(|()| from.end()).is_ok()
}

/// A small generator of the same numbers every time.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

#[test]
fn mutated_events_are_judged_as_another_parser_judges_them() {
    let seeds: [&[u8]; 5] = [
        br#"{"run_id":"r","actor":{"type":"agent","id":"a\n\u00e9\ud83d\ude00"},"n":[1,-2.5e3,0,true,false,null,{}],"ts":"x"}"#,
        br#" [ { "a" : 1 , "b" : [ ] , "\u0061b" : "c\\\"d" , "aa" : 0.10 } , "", 1E-2 ] "#,
        br#"{"k":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\tbbbbbbbbbbbbbbbbbbbbb","kk":{"k":{"k":{}}}}"#,
        "{\"é\":\"日本語 😀\",\"\\u00e8\":\"\u{7f}\"}".as_bytes(),
        br#"{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9}"#,
    ];
    let bytes = br#"{}[]":,\/ntu0189aAbBdDeEfF.+- "#;
    let mut random = Random(0x1234_5678_9ABC_DEF1);
    let (mut good, mut bad) = (0, 0);
    let masking = Profile::parse(MASKING).unwrap();
    let mut fields = Fields::default();
    for round in 0..60_000 {
        let mut json = seeds[round % seeds.len()].to_vec();
        for _ in 0..1 + random.below(3) {
            let at = random.below(json.len());
            match random.below(5) {
                0 => json[at] = bytes[random.below(bytes.len())],
                1 => json.insert(at, bytes[random.below(bytes.len())]),
                2 => drop(json.remove(at)),
                3 => json[at] = random.below(256) as u8,
                _ => {
                    let from = random.below(json.len());
                    let piece = json[from.min(at)..from.max(at)].to_vec();
                    let to = random.below(json.len());
                    json.splice(to..to, piece);
                }
            }
            if json.is_empty() {
                json.push(b' ');
            }
        }
        let ours = check(&json);
        let expected = other_parser(&json);
        let text = String::from_utf8_lossy(&json).into_owned();
        // The other parser refuses numbers that no double holds.
        if ours.is_ok() && !expected && text.contains(['e', 'E']) && overflows(&json) {
            continue;
        }
        assert_eq!(ours.is_ok(), expected, "{text}: {ours:?}");
        if expected {
            good += 1
        } else {
            bad += 1
        }
        // All uses of the scanner agree, and none panics.
        let object = text.trim_start_matches([' ', '\n', '\r', '\t']).starts_with('{');
        let extracted = Profile::evidence().extract(&json, &mut fields);
        assert_eq!(extracted.is_ok(), ours.is_ok() && object, "{text}");
        assert_eq!(masking.mask(&json, None, true).is_ok(), ours.is_ok() && object, "{text}");
        assert_eq!(masking.split(&json).is_ok(), ours.is_ok(), "{text}");
        if let Err((offset, reason)) = ours {
            assert!(offset <= json.len() as u64 && !reason.is_empty(), "{text}");
        }
    }
    assert!(good > 5_000 && bad > 5_000, "both kinds are met: {good}, {bad}");
}

const MASKING: &str = r#"
name = "masking"
version = "1"
records = "[]"
[[mask]]
name = "one"
path = "actor.id"
action = "drop"
[[mask]]
name = "two"
path = "n[]"
action = "mask"
"#;

fn overflows(json: &[u8]) -> bool {
    let error = serde_json::from_slice::<serde_json::Value>(json).err();
    error.is_some_and(|error| error.to_string().starts_with("number out of range"))
}

#[test]
fn refusals_say_where_and_what_to_do() {
    let nested = [vec![b'['; 129], vec![b']'; 129]].concat();
    for (json, offset, part) in [
        (&b""[..], 0, "empty"),
        (b"  ", 2, "empty"),
        (b"[1]", 0, "not a JSON object"),
        (b"\xEF\xBB\xBF{}", 0, "byte order mark"),
        (b"{\"a\":\"\xff\"}", 6, "UTF-8"),
        (b"{} {}", 3, "more bytes"),
        (b"{\"a\":1,\"a\":2}", 7, "already"),
        (b"{\"a\":1,\"\\u0061\":2}", 7, "already"),
        (b"{\"b\":{\"a\":1,\"\\u0061\":2}}", 12, "already"),
        (b"{\"a\":\"\\ud800\"}", 6, "surrogate"),
        (b"{\"a\":\"\\udc00\\ud800\"}", 6, "surrogate"),
        (b"{\"\\ud800\":1}", 2, "surrogate"),
        (b"{\"a\":\"\x00\"}", 6, "control character"),
        (b"{\"a\":01}", 6, "zero"),
        (b"{\"a\":1.}", 7, "digit"),
        (b"{\"a\":nul}", 5, "no JSON value"),
        (b"{\"a\":1,}", 7, "key"),
        (b"{\"a\" 1}", 5, "colon"),
        (b"{\"a\":[1 2]}", 8, "comma"),
        (b"{\"a\":\"b", 7, "cut off"),
        (b"{\"a\":\"b\\", 8, "cut off"),
        (b"{\"a\":", 5, "cut off"),
        (b"{\"a\":1", 6, "cut off"),
        (b"{\"a\":\"\\x\"}", 6, "no such escape"),
    ] {
        let mut fields = Fields::default();
        match Profile::evidence().extract(json, &mut fields) {
            Err(Error::InvalidEvent { offset: found, reason }) => {
                assert!(reason.contains(part), "{reason}");
                assert_eq!(found, offset, "{}: {reason}", String::from_utf8_lossy(json));
            }
            other => panic!("{}: {other:?}", String::from_utf8_lossy(json)),
        }
        assert_eq!(fields, Fields::default());
    }
    assert_eq!(check(&nested).unwrap_err().0, 128);
    assert_eq!(check(&nested[1..257]), Ok(()));
}

#[test]
fn large_objects_are_checked_in_no_quadratic_time() {
    let object = |keys: &mut dyn Iterator<Item = String>| {
        let members: Vec<_> = keys.map(|key| format!("{key}:0")).collect();
        format!("{{{}}}", members.join(","))
    };
    // Same length, same first and last eight bytes: the prints are all equal.
    let hard = object(&mut (0..100_000).map(|index| format!("\"samesame{index:06}samesame\"")));
    assert_eq!(check(hard.as_bytes()), Ok(()));
    let easy = object(&mut (0..100_000).map(|index| format!("\"{index}\"")));
    assert_eq!(check(easy.as_bytes()), Ok(()));
    for (first, second) in [(0, 99_999), (5, 6), (99_998, 99_999), (0, 40)] {
        let twice = object(&mut (0..100_000).map(|index| match index {
            _ if index == second => format!("\"\\u006bey{first}\""),
            _ => format!("\"key{index}\""),
        }));
        let (offset, reason) = check(twice.as_bytes()).unwrap_err();
        assert!(reason.contains("already"), "{reason}");
        assert_eq!(
            twice.as_bytes()[offset as usize..].split(|&b| b == b':').next(),
            Some(format!("\"\\u006bey{first}\"").as_bytes())
        );
    }
}

/// Name, values and unreadable reasons of the fields that are there.
pub(super) fn found(profile: &Profile, event: &str) -> Vec<(String, Vec<String>, Option<&'static str>)> {
    let all = profile.inspect(event.as_bytes()).unwrap();
    let there = all.into_iter().filter(|field| !field.is_absent());
    there.map(|field| (field.field.name.clone(), field.values, field.unreadable)).collect()
}

fn values(profile: &Profile, event: &str) -> String {
    let fields = found(profile, event);
    let shown = fields.iter().map(|(name, values, unreadable)| {
        format!("{name}={}{}", values.join("+"), if unreadable.is_some() { "?" } else { "" })
    });
    shown.collect::<Vec<_>>().join(" ")
}

#[test]
fn the_minimal_evidence_record_works_as_it_is() {
    let event = r#"{"event_id":"e1","run_id":"run_8bce4","tenant":"acme","actor":{"type":"agent","id":"ops-agent-3"},
        "policy":{"decision":"ALLOW","matched_rule":"r7","policy_snapshot":"sha256:ab"},
        "approval":{"required":true,"approver":"kim","approved_at":"2026-01-01T00:00:00Z"},
        "dispatch":{"topic":"deploy","job_id":"j1","status":"done"},"controls":["soc 2 cc6.1","PCI-DSS:10.2.1"],
        "ts":"2026-02-10T17:24:23.778Z"}"#;
    assert_eq!(
        values(Profile::evidence(), event),
        "event_id=e1 ts=2026-02-10T17:24:23.778Z tenant=acme run=run_8bce4 agent=ops-agent-3 actor=ops-agent-3 \
         actor_type=agent control=SOC2:CC6.1+PCI-DSS:10.2.1 decision=ALLOW rule=r7 policy=sha256:ab approver=kim \
         status=done"
    );
    let mut fields = Fields::default();
    Profile::evidence().extract(event.as_bytes(), &mut fields).unwrap();
    assert_eq!(fields.event_id(), Some(&b"e1"[..]));
    assert_eq!(fields.time(), EventTime::Known(Timestamp(1_770_744_263_778_000_000)));
}

const SAMPLE: &str = r#"
name = "sample"
version = "1"
[[field]]
name = "run"
paths = ["run_id", "pipeline_run_id"]
[[field]]
name = "tags"
paths = ["tags[]", "tag", "more[1].tag"]
all = true
[[field]]
name = "n"
kind = "number"
paths = ["n"]
[[field]]
name = "agent"
paths = [{ path = "actor.id", when = "actor.type", is = ["agent", "bot"] }, "fallback"]
[[field]]
name = "id"
kind = "id"
paths = ["id"]
[[field]]
name = "at"
kind = "time"
forms = ["rfc3339", "epoch_ms"]
paths = ["at"]
[[field]]
name = "control"
kind = "control"
framework = "SOC2"
paths = ["c[]"]
[[field]]
name = "odd"
private = true
paths = ['x."a.b"."c\"d"']
[[field]]
name = "flagged"
paths = [{ path = "flagged", when = "flag", is = ["true"] }]
"#;

#[test]
fn values_are_read_as_the_profile_says() {
    let profile = Profile::parse(SAMPLE).unwrap();
    for (event, expected) in [
        (r#"{}"#, ""),
        (r#"{"run_id":"a","pipeline_run_id":"b"}"#, "run=a"),
        (r#"{"pipeline_run_id":"b","run_id":"a"}"#, "run=a"),
        (r#"{"run_id":null,"pipeline_run_id":"b"}"#, "run=b"),
        (r#"{"pipeline_run_id":"b","run_id":null}"#, "run=b"),
        (r#"{"run_id":null}"#, "run=null"),
        (r#"{"run_id":{},"pipeline_run_id":"b"}"#, "run=?"),
        (r#"{"pipeline_run_id":"b","run_id":[]}"#, "run=?"),
        (r#"{"run_id":"\u0061\n"}"#, "run=a\n"),
        (r#"{"r\u0075n_id":"a"}"#, "run=a"),
        (r#"{"run_id":1.50e1}"#, "run=15"),
        (r#"{"run_id":true}"#, "run=true"),
        (r#"{"tags":["a","b","a"],"tag":"c","more":[{"tag":"no"},{"tag":"d"}]}"#, "tags=a+b+c+d"),
        (r#"{"tags":["a",["b"],{"x":1}]}"#, "tags=a?"),
        (r#"{"tags":"a","x":{"tags":["b"]}}"#, ""),
        (r#"{"n":"1e2"}"#, "n=100"),
        (r#"{"n":"x"}"#, "n=?"),
        (r#"{"n":true}"#, "n=?"),
        (r#"{"n":1e999}"#, "n=?"),
        (r#"{"actor":{"id":"a","type":"agent"},"fallback":"f"}"#, "agent=a"),
        (r#"{"fallback":"f","actor":{"type":"bot","id":"a"}}"#, "agent=a"),
        (r#"{"fallback":"f","actor":{"type":"human","id":"a"}}"#, "agent=f"),
        (r#"{"actor":{"type":"human","id":"a"}}"#, ""),
        (r#"{"flagged":"f","flag":true}"#, "flagged=f"),
        (r#"{"flagged":"f","flag":false}"#, ""),
        (r#"{"actor":{"type":"bot","id":{"a":1}}}"#, "agent=?"),
        (r#"{"actor":{"type":"bot","id":"\u0061"}}"#, "agent=a"),
        (r#"{"id":7.0}"#, "id=7"),
        (r#"{"id":""}"#, "id=?"),
        (r#"{"id":null}"#, ""),
        (r#"{"at":1621305118553}"#, "at=2021-05-18T02:31:58.553Z"),
        (r#"{"at":"1621305118553"}"#, "at=2021-05-18T02:31:58.553Z"),
        (r#"{"at":"2021-05-18T02:31:58.553+00:00"}"#, "at=2021-05-18T02:31:58.553Z"),
        (r#"{"at":"2023-01-31 18:58:27.638"}"#, "at=?"),
        (r#"{"at":null}"#, ""),
        (r#"{"at":false}"#, "at=?"),
        (r#"{"c":["cc_6_1","pci dss 6.5.1",7]}"#, "control=SOC2:CC6.1+PCI-DSS:6.5.1+7"),
        (r#"{"x":{"a.b":{"c\"d":"v"}}}"#, "odd=v"),
    ] {
        assert_eq!(values(&profile, event), expected, "{event}");
    }
    assert!(profile.fields()[7].private && !profile.fields()[0].private);
}

const JOINED: &str = r#"
name = "joined"
version = "1"
[[field]]
name = "id"
kind = "id"
join = true
paths = ["a", "b.c[0]", { path = "d", when = "e", is = ["yes"] }]
"#;

#[test]
fn an_id_is_joined_of_all_its_parts_or_absent() {
    let profile = Profile::parse(JOINED).unwrap();
    let long = "x".repeat(limits::EVENT_ID_LEN_MAX - 4);
    for (event, expected) in [
        (r#"{"a":"1","b":{"c":["2","no"]},"d":"3","e":"yes"}"#.to_owned(), "id=1/2/3".to_owned()),
        (r#"{"e":"yes","d":3.0,"b":{"c":[2e0]},"a":"\u0031"}"#.to_owned(), "id=1/2/3".to_owned()),
        // What stands in one part cannot pass for the border between two.
        (r#"{"a":"1/2","b":{"c":["~"]},"d":"3","e":"yes"}"#.to_owned(), "id=1~12/~0/3".to_owned()),
        (r#"{"a":"1","b":{"c":["2/~"]},"d":"3","e":"yes"}"#.to_owned(), "id=1/2~1~0/3".to_owned()),
        (r#"{"a":"1","b":{"c":["2"]},"e":"yes"}"#.to_owned(), String::new()),
        (r#"{"a":"1","b":{"c":[]},"d":"3","e":"yes"}"#.to_owned(), String::new()),
        (r#"{"a":"1","b":{"c":["2"]},"d":"3","e":"no"}"#.to_owned(), String::new()),
        (r#"{"a":null,"b":{"c":["2"]},"d":"3","e":"yes"}"#.to_owned(), String::new()),
        (r#"{"a":{},"b":{"c":["2"]}}"#.to_owned(), String::new()),
        (r#"{"a":{},"b":{"c":["2"]},"d":"3","e":"yes"}"#.to_owned(), "id=?".to_owned()),
        (r#"{"a":"","b":{"c":["2"]},"d":"3","e":"yes"}"#.to_owned(), "id=?".to_owned()),
        (r#"{"a":"1","b":{"c":[true]},"d":"3","e":"yes"}"#.to_owned(), "id=?".to_owned()),
        (format!(r#"{{"a":"{long}","b":{{"c":["2"]}},"d":"3","e":"yes"}}"#), format!("id={long}/2/3")),
        (format!(r#"{{"a":"{long}y","b":{{"c":["2"]}},"d":"3","e":"yes"}}"#), "id=?".to_owned()),
        (r#"{}"#.to_owned(), String::new()),
    ] {
        assert_eq!(values(&profile, &event), expected, "{event}");
    }
    assert!(profile.fields()[0].join);
}

#[test]
fn what_is_over_a_limit_is_unreadable_and_never_absent() {
    let profile = Profile::parse(SAMPLE).unwrap();
    let long = "x".repeat(limits::TERM_LEN_MAX);
    assert_eq!(values(&profile, &format!(r#"{{"run_id":"{long}"}}"#)), format!("run={long}"));
    assert_eq!(values(&profile, &format!(r#"{{"run_id":"{long}x"}}"#)), "run=?");
    assert_eq!(values(&profile, &format!(r#"{{"id":"{long}"}}"#)), "id=?");
    let many = |count: usize| {
        let tags: Vec<_> = (0..count).map(|index| format!("\"{index}\"")).collect();
        let event = format!(r#"{{"tags":[{}]}}"#, tags.join(","));
        let mut fields = Fields::default();
        profile.extract(event.as_bytes(), &mut fields).unwrap();
        (fields.terms().count(), fields.unreadable().to_vec())
    };
    assert_eq!(many(256), (256, vec![]));
    assert_eq!(many(257), (256, vec![1]));
}

#[test]
fn a_users_event_cannot_claim_to_be_the_stores() {
    let mut fields = Fields::default();
    for event in [r#"{"a":1,"kind":"store.sealed"}"#, r#"{"a":1,"k\u0069nd":"\u0073tore.x"}"#] {
        let error = Profile::evidence().extract(event.as_bytes(), &mut fields).unwrap_err();
        assert!(error.to_string().contains("store's own"), "{error}");
    }
    for event in [r#"{"kind":"store"}"#, r#"{"kind":"restore.x"}"#, r#"{"x":{"kind":"store.sealed"}}"#] {
        Profile::evidence().extract(event.as_bytes(), &mut fields).unwrap();
    }
    let own = Profile::store_records();
    own.extract(br#"{"kind":"store.sealed","event_id":"x","ts":"2026-01-01T00:00:00Z"}"#, &mut fields)
        .unwrap();
    assert_eq!(own.fields().len(), 1);
    let terms: Vec<_> = fields.terms().collect();
    assert_eq!(terms, [(0, Term { kind: TermKind::Text, bytes: b"store.sealed" })]);
    assert_eq!((fields.time(), fields.event_id()), (EventTime::Absent, None));
}

#[test]
fn buffers_carry_nothing_from_one_event_to_the_next() {
    let profile = Profile::parse(SAMPLE).unwrap();
    let full = r#"{"run_id":{},"actor":{"id":"a","type":"agent"},"id":"i","at":1,"tags":["a"]}"#;
    let mut reused = Fields::default();
    profile.extract(full.as_bytes(), &mut reused).unwrap();
    assert!(profile.extract(br#"{"run_id":"a","x":[[{"#, &mut reused).is_err());
    profile.extract(br#"{"actor":{"id":"b"}}"#, &mut reused).unwrap();
    assert_eq!(reused.terms().count(), 0);
    assert_eq!((reused.unreadable(), reused.time(), reused.event_id()), (&[][..], EventTime::Absent, None));
}

#[test]
fn profiles_that_make_no_sense_are_refused() {
    let field = |rest: &str| format!("name = \"x\"\nversion = \"1\"\n[[field]]\nname = \"f\"\n{rest}");
    for (text, part) in [
        ("name = ".to_owned(), "line 1"),
        ("version = \"1\"".to_owned(), "missing field `name`"),
        ("name = \"store\"\nversion = \"1\"".to_owned(), "store's own"),
        ("name = \"A b\"\nversion = \"1\"".to_owned(), "a-z"),
        ("name = \"x\"\nversion = \"1\"\ncolour = 1".to_owned(), "unknown field `colour`"),
        (field(""), "missing field `paths`"),
        (field("paths = []"), "1 to 100"),
        (field("paths = [\"a..b\"]"), "path \"a..b\""),
        (field("paths = [1]"), "a path in quotes"),
        (field("paths = [{ path = \"a\", when = \"b\", is = [] }]"), "at least one"),
        (field("paths = [{ path = \"a\", when = \"b[]\", is = [\"c\"] }]"), "one value"),
        (field("paths = [{ path = \"a\", if = \"b\" }]"), "unknown field `if`"),
        (field("paths = [\"a\"]\nkind = \"colour\""), "unknown variant"),
        (field("paths = [\"a\"]\nforms = [\"rfc3339\"]"), "forms are for"),
        (field("paths = [\"a\"]\nkind = \"time\"\nforms = [\"epoch\"]"), "no time form"),
        (
            field("paths = [\"a\"]\nkind = \"time\"\nforms = [\"epoch_s\", \"epoch_ms\"]"),
            "more than one epoch",
        ),
        (field("paths = [\"a\"]\nframework = \"SOC2\""), "a framework is for"),
        (field("paths = [\"a\", \"b\"]\njoin = true"), "join is for"),
        (field("paths = [\"a\"]\nkind = \"id\"\njoin = true"), "two or more paths"),
        (field("paths = [\"a\", \"b\"]\nkind = \"id\"\njoin = true\nall = true"), "two or more paths"),
        (field("paths = [\"a\", \"b[]\"]\nkind = \"id\"\njoin = true"), "can't have []"),
        (field("paths = [\"a\"]\n[[field]]\nname = \"f\"\npaths = [\"b\"]"), "twice"),
        (field("paths = [\"a\"]").replace("\"f\"", "\"day\""), "the store has a field"),
        (format!("name = \"x\"\nversion = \"{}\"", "1".repeat(70_000)), "longer than"),
    ] {
        let error = Profile::parse(&text).unwrap_err().to_string();
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn documents_are_split_verbatim() {
    let profile = |records: &str| {
        Profile::parse(&format!("name = \"x\"\nversion = \"1\"\nrecords = \"{records}\"")).unwrap()
    };
    let split = |records: &str, document: &str| -> Vec<String> {
        let events = profile(records).split(document.as_bytes()).unwrap().into_iter();
        events.map(|event| String::from_utf8(event.to_vec()).unwrap()).collect()
    };
    let document = r#"{"x":[{"Records":[1]}], "Records" : [ {"a": 1 } ,{"Records":[{}]}, 7 ,[]] , "y":2}"#;
    assert_eq!(split("Records[]", document), [r#"{"a": 1 }"#, r#"{"Records":[{}]}"#, "7", "[]"]);
    assert_eq!(split("Records[]", r#"{"Records":[]}"#), [""; 0]);
    assert_eq!(split("Records[]", r#"{"a":1}"#), [r#"{"a":1}"#]);
    assert_eq!(split("[]", r#"[{"a":1}, {"b":2}]"#), [r#"{"a":1}"#, r#"{"b":2}"#]);
    assert_eq!(split("[]", r#"[]"#), [""; 0]);
    assert_eq!(split("[]", r#"{"a":1}"#), [r#"{"a":1}"#]);
    assert_eq!(split("a[].b[]", r#"{"a":[{"b":[1,2]},{"b":[3]},{"c":[4]}]}"#), ["1", "2", "3"]);
    assert!(profile("Records[]").split(b"{\"Records\":[{]}").is_err());
    assert!(profile("Records[]").splits() && !Profile::evidence().splits());
    assert_eq!(Profile::evidence().split(b"anything").unwrap(), [b"anything"]);
}

#[test]
fn the_shipped_profiles_compile_and_carry_their_names() {
    for shipped in shipped() {
        let profile = Profile::parse(shipped.text).unwrap();
        assert_eq!((profile.name(), profile.text()), (shipped.name, shipped.text));
    }
    assert_eq!(Profile::evidence().name(), "evidence");
    assert_eq!(Profile::store_records().name(), "store");
    assert_ne!(Profile::evidence().digest(), Profile::store_records().digest());
    // A trie without paths follows nothing.
    let empty = Trie::new(&[] as &[Entry<'_>]);
    assert_eq!(empty.marks(super::path::ROOT), []);
}
