//! Bad input, and odd input that is good: what is refused is named with file, line, column and reason, and
//! nothing of it is stored; what is good is stored as it came.

use base64::Engine;

use super::{Site, events};

/// Appends one line between two good ones under each policy, and asserts what became of it.
#[track_caller]
fn check_bad(line: &[u8], column: u64, reason: &str) {
    let site = Site::with_store();
    let file = [b"{\"first\":1}\n", line, b"\n{\"last\":1}\n"].concat();
    site.write("events.jsonl", &file);

    // Stop: what came before it is kept, nothing from it on.
    let stopped = site.run(&["append", "events.jsonl"]).ends(2);
    let place = format!("events.jsonl:2:{column}: ");
    assert!(stopped.err.contains(&place) && stopped.err.contains(reason), "{place}{reason}\n{}", stopped.err);
    assert!(!stopped.err.bytes().any(|b| b.is_ascii_control() && b != b'\n'), "{:?}", stopped.err);
    assert_eq!(site.run(&["log"]).ends(0).text(), "{\"first\":1}\n");

    // Quarantine: it is put aside with its bytes, the rest is appended.
    let summary = site.run(&["append", "--on-error", "quarantine", "--json", "events.jsonl"]).ends(0).json();
    assert_eq!(
        (&summary["bad"], &summary["quarantined"], &summary["events"]),
        (&1.into(), &1.into(), &2.into())
    );
    let aside = std::fs::read_to_string(site.path("quarantine.jsonl")).unwrap();
    let aside: serde_json::Value = serde_json::from_str(&aside).unwrap();
    assert_eq!((&aside["line"], &aside["column"]), (&2.into(), &column.into()));
    assert!(aside["reason"].as_str().unwrap().contains(reason), "{aside}");
    let bytes = match aside["text"].as_str() {
        Some(text) => text.as_bytes().to_vec(),
        None => {
            let text = aside["base64"].as_str().unwrap();
            base64::engine::general_purpose::STANDARD.decode(text).unwrap()
        }
    };
    assert_eq!(bytes, line);

    // Skip: it is named, the rest is appended.
    let skipped = site.run(&["append", "--on-error", "skip", "events.jsonl"]).ends(0);
    assert!(skipped.err.contains(&place) && skipped.err.contains("1 bad line"), "{}", skipped.err);
    let good = "{\"first\":1}\n{\"last\":1}\n";
    assert_eq!(site.run(&["log"]).ends(0).text(), format!("{{\"first\":1}}\n{good}{good}"));
}

/// Appends one line, and asserts that it comes back as it was.
#[track_caller]
fn check_good(line: &[u8]) {
    let site = Site::with_store();
    site.feed(&["append"], &[line, b"\n"].concat()).ends(0);
    assert_eq!(site.run(&["log"]).ends(0).out, [line, b"\n"].concat());
    site.run(&["verify"]).ends(0);
}

fn nested(depth: usize) -> Vec<u8> {
    let inner = depth - 1;
    format!("{{\"a\":{}{}}}", "[".repeat(inner), "]".repeat(inner)).into_bytes()
}

#[test]
fn duplicate_keys_are_refused_also_where_they_are_spelled_differently() {
    check_bad(br#"{"a":1,"a":2}"#, 8, "a");
    check_bad(br#"{"x":{"a":1,"\u0061":2}}"#, 13, "a");
    check_good(br#"{"a":{"a":1},"A":{"a":2}}"#);
}

#[test]
fn what_is_no_object_is_refused() {
    check_bad(b"[1,2]", 1, "object");
    check_bad(b"\"text\"", 1, "object");
    check_bad(b"42", 1, "object");
    check_bad(b"null", 1, "object");
    check_bad(b"hello", 1, "object");
}

#[test]
fn what_is_no_json_is_refused_at_its_place() {
    for (line, column) in
        [(&br#"{"a":tru}"#[..], 6), (br#"{"a":1} x"#, 9), (br#"{"a":1,}"#, 8), (br#"{"a":01}"#, 7)]
    {
        check_bad(line, column, "");
    }
    check_bad(br#"{"a":1"#, 7, "");
    check_bad(br#"{"a":"\ud800"}"#, 7, "surrogate");
}

#[test]
fn raw_control_characters_in_strings_are_refused_and_never_shown_raw() {
    check_bad(b"{\"a\":\"\x1b[31m\"}", 7, "");
    check_bad(b"{\"a\":\"x\0\"}", 8, "");
    check_good(br#"{"a":"\u0000\u001b"}"#);
}

#[test]
fn what_is_no_utf8_is_refused() {
    check_bad(b"{\"a\":\"\xff\"}", 7, "UTF-8");
    check_bad(b"{\"a\":\"\xed\xa0\x80\"}", 7, "UTF-8");
}

#[test]
fn a_byte_order_mark_is_refused_with_what_to_do() {
    check_bad(b"\xef\xbb\xbf{\"a\":1}", 1, "byte order mark");
    check_bad(b"\xff\xfe{\0}\0", 1, "UTF-16");
}

#[test]
fn nesting_has_a_limit() {
    check_good(&nested(128));
    check_bad(&nested(129), 133, "deep");
}

#[test]
fn the_stores_own_kinds_are_refused() {
    check_bad(br#"{"kind":"store.sealed"}"#, 9, "store.");
    check_bad(br#"{"kind":"store.anything"}"#, 9, "store.");
    check_good(br#"{"kind":"storefront"}"#);
    check_good(br#"{"inner":{"kind":"store.sealed"}}"#);
}

#[test]
fn events_have_a_length_limit() {
    let event = |len: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(len - 8)).into_bytes();
    let limit = 16 << 20;
    let site = Site::with_store();
    let both = [&event(limit)[..], b"\n", &event(limit + 1), b"\n{}\n"].concat();
    site.write("events.jsonl", both);
    let refused = site.run(&["append", "events.jsonl"]).ends(2);
    assert!(refused.err.contains("events.jsonl:2:") && refused.err.contains("limit"), "{}", refused.err);
    assert_eq!(site.run(&["log"]).ends(0).out, [&event(limit)[..], b"\n"].concat());
    let refused = site.feed(&["record"], &event(limit + 1)).ends(2);
    assert!(refused.err.contains("limit"), "{}", refused.err);
}

#[test]
fn an_object_of_a_hundred_thousand_keys_is_taken() {
    let keys: Vec<String> = (0..100_000).map(|n| format!("\"k{n}\":{n}")).collect();
    check_good(format!("{{{}}}", keys.join(",")).as_bytes());
}

#[test]
fn numbers_are_kept_as_they_are_written() {
    check_good(br#"{"a":9007199254740993,"b":-0,"c":1E400,"d":0.10000000000000000000001,"e":123456789012345678901234567890}"#);
}

#[test]
fn line_ends_are_no_part_of_an_event_and_empty_lines_are_counted() {
    let site = Site::with_store();
    let text = b"{\"a\":1}\r\n\r\n  \t\n{\"b\":2}\n\n{\"c\":3}";
    let summary = site.feed(&["append", "--json"], text).ends(0).json();
    assert_eq!((&summary["events"], &summary["blank"]), (&3.into(), &3.into()));
    assert_eq!(site.run(&["log"]).ends(0).text(), "{\"a\":1}\n{\"b\":2}\n{\"c\":3}\n");
}

#[test]
fn empty_input_is_no_event() {
    let site = Site::with_store();
    let summary = site.feed(&["append", "--json"], b"").ends(0).json();
    assert_eq!((&summary["events"], &summary["complete"]), (&0.into(), &true.into()));
    assert!(site.feed(&["record"], b" \n").ends(2).err.contains("no event"));
}

#[test]
fn a_raw_records_file_is_split_whether_on_one_line_or_many() {
    let records = r#"{"Records":[{"eventID":"1","eventTime":"2026-01-01T00:00:00Z"},{"eventID":"2"}]}"#;
    let pretty = "{\n  \"Records\": [\n    {\"eventID\":\"1\"},\n    {\"eventID\" : \"2\"}\n  ]\n}\n";
    for (text, expected) in [
        (records, "{\"eventID\":\"1\",\"eventTime\":\"2026-01-01T00:00:00Z\"}\n{\"eventID\":\"2\"}\n"),
        (pretty, "{\"eventID\":\"1\"}\n{\"eventID\" : \"2\"}\n"),
        ("{\"eventID\":\"3\"}\n{\"eventID\":\"4\"}\n", "{\"eventID\":\"3\"}\n{\"eventID\":\"4\"}\n"),
    ] {
        let site = Site::with_store();
        site.write("file.json", text);
        site.run(&["append", "--source", "cloudtrail", "file.json"]).ends(0);
        assert_eq!(site.run(&["log"]).ends(0).text(), expected);
    }
}

#[test]
fn a_missing_file_is_told_before_anything_is_appended() {
    let site = Site::with_store();
    site.write("there.jsonl", events(3));
    assert!(site.run(&["append", "there.jsonl", "missing.jsonl"]).ends(3).err.contains("missing.jsonl"));
    assert!(site.run(&["append", "there.jsonl", "."]).ends(2).err.contains("directory"));
    assert_eq!(site.run(&["log"]).ends(0).text(), "");
}

#[test]
fn a_cut_compressed_file_fails_and_keeps_what_could_be_read() {
    let site = Site::with_store();
    let lines: String = (0..200_000).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    let packed = zstd::encode_all(lines.as_bytes(), 1).unwrap();
    site.write("cut.zst", &packed[..packed.len() - 10]);
    site.run(&["append", "cut.zst"]).ends(3);
    let kept = site.run(&["log"]).ends(0).text();
    assert!(!kept.is_empty() && lines.starts_with(&kept));
}

#[test]
fn events_of_another_source_are_not_appended_without_their_fields() {
    let site = Site::with_store();
    let sample = |name: &str| {
        std::fs::read(format!("{}/../examples/data/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
    };
    for (name, source) in [
        ("claude-code.jsonl", "claude-code"),
        ("codex.jsonl", "codex"),
        ("cloudtrail.jsonl", "cloudtrail"),
        ("kubernetes.jsonl", "kubernetes-audit"),
    ] {
        site.write(name, sample(name));
        let refused = site.run(&["append", name]).ends(2);
        let hint = format!("{name}:1: looks like an event of {source}: append it with --source {source}");
        assert!(refused.err.contains(&hint), "{}", refused.err);
        assert_eq!(site.run(&["log"]).ends(0).text(), "", "{name}");
    }
    // Who insists, and whose events no profile knows, is not in the way of it.
    site.run(&["append", "--source", "evidence", "codex.jsonl"]).ends(0);
    assert_eq!(site.run(&["log"]).ends(0).out, sample("codex.jsonl"));
    site.feed(&["append"], b"{\"a\":1}\n").ends(0);
}
