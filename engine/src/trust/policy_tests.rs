//! Trust policies: what a quorum counts, and each way in which a file is refused.

use super::tests::{ORIGIN, key};
use super::*;

const TEXT: &str = "note of a log\n1\nroot\n";

fn cosigner(seed: u8) -> CosignerKey {
    CosignerKey::of(key(&format!("witness.example/{seed}"), seed).verifier())
}

/// A note that the log and these witnesses signed.
fn cosigned(seeds: &[u8]) -> Note {
    let mut note = Note::sign(TEXT, &key(ORIGIN, 99)).unwrap();
    for seed in seeds {
        let line = cosign(&key(&format!("witness.example/{seed}"), *seed), TEXT, 1_700_000_000).unwrap();
        cosigner(*seed).add_to(&mut note, &[line]).unwrap();
    }
    note
}

fn decode(text: &str) -> crate::Result<Policy> {
    Policy::decode(text.as_bytes())
}

/// The two levels of the specification's example.
fn two_levels() -> Policy {
    let mut text = format!("# logs\nlog {} https://log.example/\n\n", key(ORIGIN, 99).verifier());
    for seed in 1..=6 {
        text.push_str(&format!("\twitness  w{seed} \t{} \n", cosigner(seed)));
    }
    text.push_str("group X 2 w1 w2 w3\ngroup Y any w4 w5 w6\ngroup X-and-Y all X Y\nquorum X-and-Y\n");
    decode(&text).unwrap()
}

#[test]
fn a_quorum_of_two_levels_counts_as_a_naive_reading_does() {
    let policy = two_levels();
    assert_eq!(policy.logs().count(), 1);
    assert_eq!(policy.witnesses().len(), 6);
    for set in 0..64_u32 {
        let seeds: Vec<u8> = (1..=6).filter(|seed| set >> (seed - 1) & 1 == 1).collect();
        let met = (set & 7).count_ones() >= 2 && set >> 3 != 0;
        assert_eq!(policy.is_met(&cosigned(&seeds)), met, "{seeds:?}");
    }
}

#[test]
fn a_cosignature_that_does_not_verify_counts_for_nothing() {
    let policy = decode(&format!("witness w {}\nquorum w\n", cosigner(1))).unwrap();
    let text = cosigned(&[1]).to_string();
    assert!(policy.is_met(&text.parse().unwrap()));
    assert!(!policy.is_met(&text.replace("\n1\nroot", "\n2\nroot").parse().unwrap()));
    // A signature by the same key over the note itself is no cosignature.
    let mut note = cosigned(&[]);
    note.add_signature(&key("witness.example/1", 1)).unwrap();
    assert!(!policy.is_met(&note));
}

#[test]
fn none_is_a_quorum_and_a_single_witness_is_one() {
    assert!(decode("quorum none\n").unwrap().is_met(&cosigned(&[])));
    let one = decode(&format!("witness w {} http://127.0.0.1/\nquorum w", cosigner(1)));
    assert!(one.is_err(), "a last line without its end");
    let one = decode(&format!("witness w {} http://127.0.0.1/\nquorum w\n", cosigner(1))).unwrap();
    assert_eq!(one.witnesses()[0].url.as_deref(), Some(&b"http://127.0.0.1/"[..]));
}

#[test]
fn names_are_octets_and_nothing_is_made_of_them() {
    let (a, b) = (cosigner(1).to_string(), cosigner(2).to_string());
    // A Kelvin sign is no K, and octets that are no UTF-8 are a name as well.
    let lines: [&[&[u8]]; 4] = [
        &[b"# a comment of \xff octets"],
        &[b"witness \xe2\x84\xaa", a.as_bytes(), b"http://\xfe.example/"],
        &[b"witness K\xff", b.as_bytes()],
        &[b"quorum K\xff"],
    ];
    let file: Vec<u8> = lines.iter().flat_map(|line| [&line.join(&b' ')[..], b"\n"].concat()).collect();
    let policy = Policy::decode(&file).unwrap();
    assert_eq!(policy.witnesses()[1].name, b"K\xff");
    assert_eq!((policy.witnesses()[1].shown(), policy.witnesses()[0].address()), ("K\u{fffd}".into(), None));
    assert!(policy.is_met(&cosigned(&[2])) && !policy.is_met(&cosigned(&[1])));
    let renamed = [&file[..file.len() - 3], b"\xff\xff\n"].concat();
    assert!(Policy::decode(&renamed).unwrap_err().to_string().contains("not defined"));
}

#[test]
fn what_is_not_in_the_form_is_refused_with_its_line() {
    let (a, b) = (cosigner(1), cosigner(2));
    let renamed = CosignerKey::of(&VerifierKey::new("other", a.public_key().try_into().unwrap()).unwrap());
    let log = key(ORIGIN, 99);
    let two = format!("witness a {a}\nwitness b {b}\n");
    let table = [
        (String::new(), "no quorum line"),
        (two.clone(), "no quorum line"),
        ("quorum none\nquorum none\n".to_owned(), "line 2: there is a quorum line already"),
        ("quorum a\n".to_owned(), "line 1: a is not defined"),
        (format!("quorum a\nwitness a {a}\n"), "line 1: a is not defined"),
        (format!("witness none {a}\nquorum none\n"), "line 1: the name none is taken"),
        (format!("witness a {a}\nwitness a {b}\nquorum a\n"), "line 2: the name a is taken"),
        (format!("witness a {a}\nwitness b {renamed}\nquorum a\n"), "line 2: the key of b is that of a"),
        (format!("witness a {}\nquorum a\n", log.verifier()), "line 1: "),
        (format!("log {a}\nquorum none\n"), "line 1: "),
        (format!("log {0}\nlog {0}\nquorum none\n", log.verifier()), "line 2: this log's key"),
        (format!("{two}group g all\nquorum g\n"), "line 3: a group of 0 cannot"),
        (format!("{two}group g 0 a\nquorum g\n"), "line 3: a group of 1 cannot ask for 0"),
        (format!("{two}group g 3 a b\nquorum g\n"), "line 3: a group of 2 cannot ask for 3"),
        (format!("{two}group g 02 a b\nquorum g\n"), "line 3: `02` is none"),
        (format!("{two}group g +1 a b\nquorum g\n"), "line 3: `+1` is none"),
        (format!("{two}group g 1 a a\nquorum g\n"), "line 3: a is a member already"),
        (format!("{two}group g 1 g\nquorum g\n"), "line 3: g is not defined"),
        (format!("{two}group g 1 none\nquorum g\n"), "line 3: none is not defined"),
        (format!("{two}group g 1 a\ngroup h 1 a\nquorum h\n"), "line 4: a is a member already"),
        ("quorum none #\n".to_owned(), "line 1: a quorum line is"),
        ("Quorum none\n".to_owned(), "line 1: `Quorum` is none of"),
        ("quorum none\r\n".to_owned(), "control character"),
        ("quorum\u{a0}none\n".to_owned(), "line 1: `quorum\u{a0}none` is none of"),
    ];
    for (text, expected) in table {
        let error = decode(&text).expect_err(&text).to_string();
        assert!(error.contains(expected), "{text:?}: {error}");
    }
}
