//! Masking as a whole: bytes outside of what is masked stay, and what comes out is an event.

use std::borrow::Cow;

use super::tests::Random;
use super::*;

const KEY: [u8; 32] = [7; 32];

fn profile(rules: &[(&str, &str)]) -> Profile {
    let mut text = "name = \"x\"\nversion = \"1\"\n".to_owned();
    for (index, (path, action)) in rules.iter().enumerate() {
        text += &format!("[[mask]]\nname = \"r{index}\"\npath = '{path}'\naction = \"{action}\"\n");
    }
    Profile::parse(&text).unwrap()
}

fn masked(rules: &[(&str, &str)], event: &str) -> (String, Vec<String>) {
    let profile = profile(rules);
    let Masked { event, labels } = profile.mask(event.as_bytes(), Some(&KEY), false).unwrap();
    (String::from_utf8(event.into_owned()).unwrap(), labels)
}

#[test]
fn values_are_masked_and_all_other_bytes_stay() {
    let event = r#" { "a" : 1.50e1 , "b" : { "c" : "s\u0065cret", "d":[1, {"x":2},"\n" ] } ,"e":null } "#;
    for (path, expected, touched) in [
        ("b.c", event.replace(r#""s\u0065cret""#, r#""[masked:r0]""#), true),
        ("b", event.replace(r#"{ "c" : "s\u0065cret", "d":[1, {"x":2},"\n" ] }"#, r#""[masked:r0]""#), true),
        (
            "b.d[]",
            event.replace(r#"[1, {"x":2},"\n" ]"#, r#"["[masked:r0]", "[masked:r0]","[masked:r0]" ]"#),
            true,
        ),
        ("b.d[1].x", event.replace(r#":2}"#, r#":"[masked:r0]"}"#), true),
        ("e", event.replace("null", r#""[masked:r0]""#), true),
        ("b.z", event.to_owned(), false),
        ("c", event.to_owned(), false),
    ] {
        let (out, labels) = masked(&[(path, "mask")], event);
        assert_eq!(out, expected, "{path}");
        assert_eq!(labels, if touched { vec!["masked:r0"] } else { vec![] }, "{path}");
    }
}

#[test]
fn members_and_elements_are_dropped_with_their_commas() {
    for (paths, event, expected) in [
        (&["a"][..], r#"{"a":1}"#, r#"{}"#),
        (&["a"], r#"{ "a" : 1 }"#, r#"{  }"#),
        (&["a"], r#"{"a":1, "b":2}"#, r#"{"b":2}"#),
        (&["b"], r#"{"a":1, "b":2}"#, r#"{"a":1}"#),
        (&["b"], r#"{"a":1 , "b":2 , "c":3}"#, r#"{"a":1 , "c":3}"#),
        (&["a", "b"], r#"{"a":1,"b":2,"c":3}"#, r#"{"c":3}"#),
        (&["b", "c"], r#"{"a":1,"b":2,"c":3}"#, r#"{"a":1}"#),
        (&["a", "c"], r#"{"a":1,"b":2,"c":3}"#, r#"{"b":2}"#),
        (&["a", "b", "c"], r#"{"a":1,"b":{"x":[1]},"c":3 }"#, r#"{ }"#),
        (&["a[0]"], r#"{"a":[1, 2,3]}"#, r#"{"a":[2,3]}"#),
        (&["a[1]"], r#"{"a":[1, 2,3]}"#, r#"{"a":[1,3]}"#),
        (&["a[2]"], r#"{"a":[1, 2,3]}"#, r#"{"a":[1, 2]}"#),
        (&["a[]"], r#"{"a":[1, [2],{"x":3}]}"#, r#"{"a":[]}"#),
        (&["a[].x"], r#"{"a":[{"x":1},{"y":2,"x":3}]}"#, r#"{"a":[{},{"y":2}]}"#),
    ] {
        let rules: Vec<_> = paths.iter().map(|path| (*path, "drop")).collect();
        assert_eq!(masked(&rules, event).0, expected, "{event} {paths:?}");
    }
}

#[test]
fn tokens_are_equal_where_values_are() {
    let (out, _) = masked(&[("t[]", "token")], r#"{"t":["ab","\u0061b",1.0,1,"1",{"a":1},null]}"#);
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    let tokens: Vec<_> = value["t"].as_array().unwrap().iter().map(|token| token.as_str().unwrap()).collect();
    assert!(tokens.iter().all(|token| token.len() == 36 && token.starts_with("tok_")), "{tokens:?}");
    assert_eq!((tokens[0], tokens[2]), (tokens[1], tokens[3]));
    let distinct: std::collections::BTreeSet<_> = tokens.iter().collect();
    assert_eq!(distinct.len(), 5);
    let rules = profile(&[("t", "token")]);
    let other = rules.mask(br#"{"t":"ab"}"#, Some(&[8; 32]), false).unwrap();
    assert!(!other.event.as_ref().ends_with(format!("{}\"}}", tokens[0]).as_bytes()));
    let error = rules.mask(b"{}", None, false).unwrap_err().to_string();
    assert!(error.contains("masking key"), "{error}");
}

#[test]
fn the_first_rule_wins_and_covers_what_is_inside() {
    let rules = [("a.b", "mask"), ("a", "drop"), ("c", "token"), ("c", "drop")];
    assert_eq!(masked(&rules, r#"{"a":{"b":1}}"#), ("{}".to_owned(), vec!["masked:r1".to_owned()]));
    let (out, labels) = masked(&rules, r#"{"c":1}"#);
    assert!(out.starts_with(r#"{"c":"tok_"#), "{out}");
    assert_eq!(labels, ["masked:r2"]);
}

#[test]
fn nothing_is_copied_where_nothing_is_masked() {
    let token = format!("gh{}{}", "p_", "a1B2".repeat(9));
    let event = format!(r#"{{"a":"x {token}","b":["{token}"],"{token}":1}}"#);
    let evidence = Profile::evidence();
    assert!(matches!(evidence.mask(b"no json", None, false).unwrap().event, Cow::Borrowed(_)));
    assert!(matches!(evidence.mask(b"{\"a\":1}", None, true).unwrap().event, Cow::Borrowed(_)));
    assert!(matches!(evidence.mask(event.as_bytes(), None, false).unwrap().event, Cow::Borrowed(_)));
    let found = evidence.mask(event.as_bytes(), None, true).unwrap();
    let expected = format!(r#"{{"a":"x [masked:github-token]","b":["[masked:github-token]"],"{token}":1}}"#);
    assert_eq!(String::from_utf8(found.event.into_owned()).unwrap(), expected);
    assert_eq!(found.labels, ["masked:secret/github-token"]);
    assert!(evidence.mask(format!(r#"{{"a":"{token}""#).as_bytes(), None, true).is_err());
}

#[test]
fn what_comes_out_is_an_event_with_the_rest_unchanged() {
    // Random values, random rules: the masked event parses to the same value as masking the parsed one.
    fn random_value(random: &mut Random, depth: usize) -> serde_json::Value {
        match random.below(if depth == 0 { 4 } else { 6 }) {
            0 => serde_json::Value::Null,
            1 => (random.below(100) as u64).into(),
            2 => "te\nxt\"é".into(),
            3 => true.into(),
            4 => (0..random.below(4)).map(|_| random_value(random, depth - 1)).collect::<Vec<_>>().into(),
            _ => {
                let keys = ["a", "b", "c"].iter().filter(|_| random.below(3) > 0).collect::<Vec<_>>();
                let members = keys.into_iter().map(|key| (key.to_string(), random_value(random, depth - 1)));
                members.collect::<serde_json::Map<_, _>>().into()
            }
        }
    }
    fn expect(value: &mut serde_json::Value, steps: &[&str], rule: &str, dropped: bool) {
        let Some((first, rest)) = steps.split_first() else { return };
        let masked = || format!("[masked:{rule}]").into();
        match value {
            serde_json::Value::Object(members) if *first != "[]" => match (rest.is_empty(), dropped) {
                (true, true) => drop(members.remove(*first)),
                (true, false) => members.get_mut(*first).into_iter().for_each(|value| *value = masked()),
                (false, _) => {
                    members.get_mut(*first).into_iter().for_each(|value| expect(value, rest, rule, dropped))
                }
            },
            serde_json::Value::Array(elements) if *first == "[]" => match (rest.is_empty(), dropped) {
                (true, true) => elements.clear(),
                (true, false) => elements.iter_mut().for_each(|value| *value = masked()),
                (false, _) => elements.iter_mut().for_each(|value| expect(value, rest, rule, dropped)),
            },
            _ => {}
        }
    }
    let paths: [(&str, &[&str]); 5] = [
        ("a", &["a"]),
        ("b.c", &["b", "c"]),
        ("a[]", &["a", "[]"]),
        ("c[].b", &["c", "[]", "b"]),
        ("b[].a[]", &["b", "[]", "a", "[]"]),
    ];
    let mut random = Random(0xDEAD_BEEF_1234_5678);
    let mut touched = 0;
    for round in 0..4_000 {
        let mut value = serde_json::json!({});
        while !value.is_object() || value == serde_json::json!({}) {
            value = random_value(&mut random, 4);
        }
        let (path, steps) = paths[round % paths.len()];
        let drop = random.below(2) == 0;
        let event = if round % 2 == 0 { value.to_string() } else { format!("{value:#}") };
        let (out, labels) = masked(&[(path, if drop { "drop" } else { "mask" })], &event);
        let before = value.clone();
        expect(&mut value, steps, "r0", drop);
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&out).unwrap(),
            value,
            "{path} {event} -> {out}"
        );
        assert_eq!(labels.is_empty(), out == event);
        touched += usize::from(before != value);
        Profile::evidence().extract(out.as_bytes(), &mut Fields::default()).unwrap();
    }
    assert!(touched > 500, "{touched}");
}
