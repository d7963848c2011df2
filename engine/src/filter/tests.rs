//! What filters mean, by example.

use super::*;
use crate::format::frame::LabelBuf;
use crate::source::{Fields, Profile};

const PROFILE: &str = r#"
name = "t"
version = "1"
[[field]]
name = "id"
kind = "id"
paths = ["id"]
[[field]]
name = "ts"
kind = "time"
paths = ["ts"]
[[field]]
name = "run"
paths = ["run"]
[[field]]
name = "tags"
paths = ["tags[]"]
[[field]]
name = "tokens"
kind = "number"
paths = ["tokens"]
"#;

fn matches_at(filter: &Filter, event: &str, seq: Seq, received_at: Timestamp) -> bool {
    let profile = Profile::parse(PROFILE).unwrap();
    let mut fields = Fields::default();
    profile.extract(event.as_bytes(), &mut fields).unwrap();
    let mut labels = LabelBuf::default();
    labels.push("SOC2:CC6.1").unwrap();
    let subject = Subject {
        seq,
        received_at,
        source: 7,
        encoding: 0,
        labels: labels.as_labels(),
        body: event.as_bytes(),
        profile: &profile,
        fields: &fields,
    };
    let decoded = Filter::decode(&filter.encode()).unwrap();
    assert_eq!(&decoded, filter);
    Matcher::new(&decoded).unwrap().matches(&subject, &mut Scratch::default()).unwrap()
}

fn matches(filter: &Filter, event: &str) -> bool {
    matches_at(filter, event, 42, Timestamp(0))
}

fn name(name: &str, test: Test) -> Filter {
    Filter::Field(Field::Name(name.to_owned()), test)
}

fn path(path: &str, test: Test) -> Filter {
    Filter::Field(Field::Path(path.parse().unwrap()), test)
}

fn word(word: &str) -> Test {
    Test::Equals(vec![Value::Word(word.to_owned())])
}

fn text(text: &str) -> Test {
    Test::Equals(vec![Value::Text(text.to_owned())])
}

#[test]
fn values_are_compared_by_type_and_words_by_spelling() {
    for (event, test, expected) in [
        (r#"{"run":"5"}"#, word("5"), true),
        (r#"{"run":5.0}"#, word("5"), true),
        (r#"{"run":5.0}"#, text("5"), false),
        (r#"{"run":"5.0"}"#, word("5"), false),
        (r#"{"run":null}"#, word("null"), true),
        (r#"{"run":"null"}"#, word("null"), true),
        (r#"{"run":null}"#, text("null"), false),
        (r#"{"run":true}"#, word("true"), true),
        (r#"{"run":"r*"}"#, text("r*"), true),
        (r#"{"run":"rx"}"#, text("r*"), false),
        (r#"{"run":"rx"}"#, word("r*"), true),
        (r#"{"run":["a","r"]}"#, text("r"), false),
        (r#"{"run":"r"}"#, Test::Differs(Value::Word("r".to_owned())), false),
        (r#"{"run":"s"}"#, Test::Differs(Value::Word("r".to_owned())), true),
        ("{}", Test::Differs(Value::Word("r".to_owned())), false),
        ("{}", Test::Exists, false),
        (r#"{"run":null}"#, Test::Exists, true),
        (r#"{"run":{}}"#, Test::Exists, true),
        (r#"{"run":"ab"}"#, Test::Matches("^a.$".to_owned()), true),
    ] {
        let by_name = matches(&name("run", test.clone()), event);
        let by_path = matches(&path("run", test.clone()), event);
        let is_array = event.contains('[');
        assert_eq!(by_name, expected, "{event} {test:?}");
        assert_eq!(by_path, expected || is_array, "{event} {test:?} by path");
    }
    assert!(matches(&name("run", Test::Unreadable), r#"{"run":{}}"#));
    assert!(!matches(&path("run", Test::Unreadable), r#"{"run":{}}"#));
    assert!(!matches(&name("nothing", Test::Exists), r#"{"nothing":1}"#));
}

#[test]
fn an_array_matches_where_an_element_does() {
    let event = r#"{"tags":["a","b",7],"tool":{"args":[{"path":"/etc/passwd"},{"path":"/tmp"}]}}"#;
    assert!(matches(&name("tags", word("b")), event));
    assert!(matches(&path("tags", word("7")), event));
    assert!(matches(&path("tool.args[0].path", text("/etc/passwd")), event));
    assert!(!matches(&path("tool.args[1].path", text("/etc/passwd")), event));
    assert!(matches(&path("tool.args.path", word("/tmp*")), event));
    assert!(!matches(&path("tags", Test::Differs(Value::Word("a".to_owned()))), event));
}

#[test]
fn numbers_are_decimals() {
    let more = |number: &str| Test::Compare(Comparison::Greater, Quantity::Number(number.to_owned()));
    let event = r#"{"tokens":"9007199254740993","x":0.30000000000000004,"y":"9","huge":1e600}"#;
    assert!(matches(&name("tokens", more("9007199254740992")), event));
    assert!(!matches(&name("tokens", more("9007199254740993")), event));
    assert!(matches(&path("x", more("0.3")), event));
    assert!(!matches(&path("y", more("1")), event), "a text is no number");
    assert!(matches(&path("huge", more("9e500")), event));
    assert!(Filter::decode(&name("tokens", more("1e9999")).encode()).is_err());
}

#[test]
fn time_stands_in_where_the_event_has_none() {
    let hour = 3_600_000_000_000;
    let window = |clock, from: i64, until: i64| {
        Filter::Time(clock, Window { from: Some(Timestamp(from)), until: Some(Timestamp(until)) })
    };
    let event = r#"{"ts":"1970-01-01T01:00:00Z"}"#;
    assert!(matches_at(&window(Clock::Event, hour, hour + 1), event, 1, Timestamp(5)));
    assert!(!matches_at(&window(Clock::Event, 0, hour), event, 1, Timestamp(5)));
    assert!(matches_at(&window(Clock::Received, 5, 6), event, 1, Timestamp(5)));
    for unreadable in ["{}", r#"{"ts":"yesterday"}"#] {
        assert!(matches_at(&window(Clock::Event, 5, 6), unreadable, 1, Timestamp(5)));
    }
    let later = Test::Compare(Comparison::GreaterOrEqual, Quantity::Time(Timestamp(hour)));
    assert!(matches(&name("ts", later.clone()), event));
    assert!(matches(&path("at", later), r#"{"at":"1970-01-01T03:00:00+02:00"}"#));
}

#[test]
fn text_ids_labels_and_seqs() {
    let event = r#"{"id":"e1","say":"line\nbreak \"quoted\""}"#;
    assert!(matches(&Filter::Text("break \"quoted".to_owned()), event));
    assert!(matches(&Filter::Text("line\nbreak".to_owned()), event));
    assert!(!matches(&Filter::Text("Break".to_owned()), event));
    assert!(matches(&Filter::Ids(vec!["e0".to_owned(), "e1".to_owned()]), event));
    assert!(matches(&name("id", word("e*")), event));
    assert!(matches(&name("label", word("SOC2:*")), event));
    assert!(matches(&name("source", word("7")), event));
    assert!(!matches(&Filter::StoreRecord, event));
    assert!(matches(&Filter::Seqs(42..43), event) && !matches(&Filter::Seqs(43..50), event));
}

#[test]
fn filters_combine() {
    let yes = || name("run", Test::Exists);
    let no = || Filter::Not(Box::new(yes()));
    let event = r#"{"run":"r"}"#;
    assert!(matches(&Filter::everything(), event));
    assert!(!matches(&Filter::Any(vec![]), event));
    assert!(matches(&yes().and(Filter::Any(vec![no(), yes()])), event));
    assert!(!matches(&yes().and(no()).and(yes()), event));
    assert_eq!(Filter::everything().and(yes()), yes());
    assert_eq!(yes().and(Filter::everything()), yes());
}

#[test]
fn what_is_over_a_limit_is_refused() {
    let mut deep = Filter::everything();
    for _ in 0..60 {
        deep = Filter::Not(Box::new(deep));
    }
    for filter in [
        deep,
        Filter::Ids(vec![String::new(); 10_001]),
        name("run", Test::Matches("(".to_owned())),
        name("run", Test::Matches("(?:x{1000}){1000}".to_owned())),
    ] {
        assert!(matches!(filter.check(), Err(crate::Error::InvalidFilter { .. })));
    }
    for bytes in [&b"{}"[..], b"", b"{\"all\": []}", b"{\"all\":[],\"all\":[]}", b"[[[[[[[["] {
        assert!(Filter::decode(bytes).is_err());
    }
}
