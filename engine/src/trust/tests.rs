//! Keys, notes, checkpoints and the signer's memory: against foreign vectors, foreign implementations, and every
//! small change that a forger or a disk could make.

use serde_json::Value;

use super::*;
use crate::hash::{Hash, LogTree, TreeHash};
use crate::merkle::{Leaves, consistency_proof, root};
use crate::{Error, Origin};

pub(super) const ORIGIN: &str = "acme.example/agents-prod";

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../testdata/signed-note/note-vectors.json")).unwrap()
}

pub(super) fn key(name: &str, seed: u8) -> SigningKey {
    SigningKey::from_seed(name, [seed; 32]).unwrap()
}

fn checkpoint(size: u64) -> Checkpoint {
    Checkpoint::new(&ORIGIN.parse::<Origin>().unwrap(), size, LogTree::leaf(&size.to_le_bytes()))
}

fn hex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

#[test]
fn a_note_of_another_implementation_verifies() {
    let vector = &vectors()["note_vectors"][0];
    let text = |name: &str| vector[name].as_str().unwrap();
    let key: VerifierKey = text("vkey").parse().unwrap();
    assert_eq!(key.to_string(), text("vkey"));
    assert_eq!((key.name(), key.key_id()), ("PeterNeumann", 0xc74f_20a3));
    let whole = format!("{}\n{}", text("text"), text("signature_line"));
    let note: Note = whole.parse().unwrap();
    assert_eq!((note.text(), note.to_string()), (text("text"), whole));
    assert_eq!(note.verify(std::slice::from_ref(&key)).unwrap(), [&key]);
}

#[test]
fn the_specifications_examples_are_read() {
    let vectors = vectors();
    let text = vectors["c2sp_signed_note"].as_str().unwrap();
    let note: Note = text.parse().unwrap();
    assert_eq!(note.to_string(), text);
    assert!(note.text().ends_with("raggio di sole:\n\ned è subito sera.\n"));
    assert_eq!(note.signatures()[0].name(), "quasimodo.example/salvatore");

    let text = vectors["c2sp_checkpoint"].as_str().unwrap();
    let note: Note = text.parse().unwrap();
    let checkpoint = Checkpoint::decode(note.text()).unwrap();
    assert_eq!((checkpoint.origin.as_str(), checkpoint.size), ("example.com/behind-the-sofa", 20_852_163));
    assert_eq!(checkpoint.encode().unwrap(), note.text());
    assert_eq!(note.to_string(), text);

    let text = vectors["tree_text_vector"]["text"].as_str().unwrap();
    let tree = Checkpoint::decode(text).unwrap();
    let record = vectors["tree_text_vector"]["record"].as_str().unwrap();
    assert_eq!((tree.size, tree.root), (123_456_789_012, LogTree::leaf(record.as_bytes())));
}

#[test]
fn a_verifier_key_has_one_text_and_bad_ones_are_refused() {
    let good = key(ORIGIN, 1).verifier().to_string();
    assert_eq!(good.parse::<VerifierKey>().unwrap().to_string(), good);
    let (head, encoded) = good.rsplit_once('+').unwrap();
    let (name, id) = head.split_once('+').unwrap();
    let mut bad: Vec<String> = vectors()["bad_vkeys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|text| text.as_str().unwrap().to_owned())
        .collect();
    bad.extend([
        String::new(),
        name.to_owned(),
        head.to_owned(),
        format!("{head}+"),
        format!("{good}\n"),
        format!(" {good}"),
        format!("{good}="),
        format!("other{good}"),
        format!("+{id}+{encoded}"),
        format!("a b+{id}+{encoded}"),
        format!("a\u{2003}b+{id}+{encoded}"),
        format!("{name}+{}+{encoded}", &id[1..]),
        format!("{name}+00000000+{encoded}"),
        format!("{name}+{}+{encoded}", id.to_uppercase()),
    ]);
    assert_ne!(id, id.to_uppercase(), "the seed gives an id with letters");
    for text in bad {
        let error = text.parse::<VerifierKey>().unwrap_err();
        assert!(matches!(error, Error::InvalidTrust { .. }), "{text:?}: {error}");
    }
}

#[test]
fn other_signature_types_are_named() {
    let bytes = [&[4][..], &[7; 32]].concat();
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes);
    let error = format!("witness+00000000+{encoded}").parse::<VerifierKey>().unwrap_err();
    assert!(error.to_string().contains("0x04 (Ed25519 witness cosignature) is not supported"), "{error}");
}

#[test]
fn weak_and_misencoded_points_are_no_keys() {
    let mut identity = [0; 32];
    identity[0] = 1;
    let mut minus_one = [0xff; 32];
    (minus_one[0], minus_one[31]) = (0xec, 0x7f);
    // y = 1 written as 1 + p, and y = 3 + p: the same points in another writing.
    let mut one_again = [0xff; 32];
    (one_again[0], one_again[31]) = (0xee, 0x7f);
    let mut three_again = one_again;
    three_again[0] = 0xf0;
    for point in [[0; 32], identity, minus_one, one_again, three_again, [0xff; 32]] {
        assert!(VerifierKey::new("name", point).is_err(), "{point:x?}");
    }
    for name in ["", "a b", "a+b", "a\u{a0}b", "a\nb", "a\u{1}b", &"a".repeat(256)] {
        assert!(SigningKey::from_seed(name, [1; 32]).is_err(), "{name:?}");
    }
}

#[test]
fn strict_verification_accepts_nothing_that_wycheproof_calls_invalid() {
    let all: Value =
        serde_json::from_str(include_str!("../../testdata/ed25519/wycheproof-ed25519_test.json")).unwrap();
    let (mut valid, mut invalid) = (0, 0);
    // Valid by the vectors and refused here: none, so strictness costs nothing on them.
    let mut stricter = vec![];
    for group in all["testGroups"].as_array().unwrap() {
        let public = hex(&group["publicKey"]["pk"]).try_into().unwrap();
        let key = VerifierKey::new("wycheproof", public);
        for test in group["tests"].as_array().unwrap() {
            let signature = <[u8; 64]>::try_from(hex(&test["sig"]));
            let accepted = match (&key, signature) {
                (Ok(key), Ok(signature)) => key.verify(&hex(&test["msg"]), &signature),
                _ => false,
            };
            if test["result"] == "valid" {
                valid += 1;
                if !accepted {
                    stricter.push(test["tcId"].as_u64().unwrap());
                }
            } else {
                invalid += 1;
                assert!(!accepted, "test {}: {}", test["tcId"], test["comment"]);
            }
        }
    }
    assert_eq!((valid, invalid), (88, 63));
    assert_eq!(stricter, Vec::<u64>::new());
}

#[test]
fn a_signing_key_round_trips_as_text_and_shows_no_secret() {
    let signer = key(ORIGIN, 9);
    let text = signer.to_text();
    assert!(text.starts_with("PRIVATE+KEY+acme.example/agents-prod+"), "{}", text.as_str());
    let again: SigningKey = text.parse().unwrap();
    assert_eq!(again.to_text(), text);
    assert_eq!(again.sign(b"x").unwrap(), signer.sign(b"x").unwrap());
    let secret = text.rsplit_once('+').unwrap().1;
    let debug = format!("{signer:?}");
    assert!(!debug.contains(&secret[2..20]) && !debug.contains("9, 9"), "{debug}");
    for bad in [
        text.replace("PRIVATE", "PUBLIC"),
        text.replace("agents", "others"),
        text[..text.len() - 4].to_owned(),
        text.trim_start_matches("PRIVATE+KEY+").to_owned(),
        format!("{}\n", text.as_str()),
        signer.verifier().to_string(),
    ] {
        let error = bad.parse::<SigningKey>().unwrap_err().to_string();
        assert!(!error.contains(&secret[2..20]), "{error}");
    }
}

#[test]
fn every_change_of_a_byte_of_a_signed_checkpoint_is_refused() {
    let signer = key(ORIGIN, 2);
    let mut checkpoint = checkpoint(12_345);
    checkpoint.extensions.push("an extension".to_owned());
    let note = checkpoint.sign(&signer).unwrap();
    let bytes = note.to_string().into_bytes();
    let open = |bytes: &[u8]| Checkpoint::open(&Note::decode(bytes)?, signer.verifier());
    assert_eq!(open(&bytes).unwrap(), checkpoint);
    for at in 0..bytes.len() {
        for change in (0..8).map(|bit| 1 << bit).chain([0xff, bytes[at]]) {
            let mut other = bytes.clone();
            other[at] ^= change;
            let error = open(&other).unwrap_err();
            let refused = matches!(error, Error::InvalidTrust { .. } | Error::NotAuthenticated { .. });
            assert!(refused, "byte {at} by {change}: {error}");
            if let Ok(note) = Note::decode(&other) {
                assert_eq!(note.to_string().into_bytes(), other, "byte {at} by {change}");
            }
        }
        assert!(open(&bytes[..at]).is_err(), "cut to {at}");
        let mut other = bytes.clone();
        other.remove(at);
        assert!(open(&other).is_err(), "without byte {at}");
        // A newline more before the empty line belongs to the text; all others are no note either.
        other.insert(at, bytes[at]);
        other.insert(at, b'\n');
        assert!(open(&other).is_err(), "a newline before byte {at}");
    }
}

#[test]
fn notes_that_are_none_are_refused() {
    let line = "\u{2014} name AAAAAAA=\n";
    assert!(Note::decode(format!("a\n\n{line}").as_bytes()).is_ok());
    for bad in [
        String::new(),
        "a\n".to_owned(),
        "a\n\n".to_owned(),
        "a\n\n\n".to_owned(),
        format!("\n{line}"),
        format!("a\n{line}"),
        format!("a{line}"),
        format!("a\n\n{line}\n"),
        format!("a\n\n{}", line.trim_end()),
        format!("a\r\n\r\n{line}"),
        format!("a\tb\n\n{line}"),
        format!("a\0b\n\n{line}"),
        format!("a\n\n{line}other\n"),
        "a\n\n- name AAAAAAA=\n".to_owned(),
        "a\n\n\u{2014} name\n".to_owned(),
        "a\n\n\u{2014}  AAAAAAA=\n".to_owned(),
        "a\n\n\u{2014} na+me AAAAAAA=\n".to_owned(),
        "a\n\n\u{2014} na\u{2003}me AAAAAAA=\n".to_owned(),
        "a\n\n\u{2014} name AAAAAA==\n".to_owned(), // a key id and no signature
        "a\n\n\u{2014} name AAAAAAA\n".to_owned(),
        "a\n\n\u{2014} name AAAAAAB=\n".to_owned(), // bits beyond the last byte
        "a\n\n\u{2014} name AAAAAAA= \n".to_owned(),
    ] {
        assert!(matches!(Note::decode(bad.as_bytes()), Err(Error::InvalidTrust { .. })), "{bad:?}");
    }
    assert!(Note::decode(b"a\xff\n\n\xe2\x80\x94 name AAAAAAA=\n").is_err());
}

#[test]
fn notes_are_bounded() {
    let line = "\u{2014} name AAAAAAA=\n";
    assert!(Note::decode(format!("a\n\n{}", line.repeat(100)).as_bytes()).is_ok());
    let many = format!("a\n\n{}", line.repeat(101));
    assert!(matches!(Note::decode(many.as_bytes()), Err(Error::OverLimit { found: 101, limit: 100, .. })));
    let long = format!("{}\n\n{line}", "a".repeat(64 << 10));
    assert!(matches!(Note::decode(long.as_bytes()), Err(Error::OverLimit { .. })));
    let long = format!("{}\n", "a".repeat(64 << 10));
    assert!(matches!(Note::sign(&long, &key("name", 1)), Err(Error::OverLimit { .. })));
    for bad in ["", "a", "a\tb\n"] {
        assert!(Note::sign(bad, &key("name", 1)).is_err(), "{bad:?}");
    }
}

#[test]
fn only_known_keys_count_and_a_false_line_of_one_spoils_the_note() {
    let (one, two, stranger) = (key("one", 1), key("two", 2), key("stranger", 3));
    let mut note = Note::sign("text\n\nmore\n", &stranger).unwrap();
    note.add_signature(&two).unwrap();
    note.add_signature(&one).unwrap();
    let known = [one.verifier().clone(), two.verifier().clone()];
    assert_eq!(note.verify(&known).unwrap(), [two.verifier(), one.verifier()]);
    assert_eq!(note.verify(&known[..1]).unwrap(), [one.verifier()]);
    let namesake = key("one", 4);
    for keys in [&[][..], &[namesake.verifier().clone()]] {
        assert!(matches!(note.verify(keys), Err(Error::NotAuthenticated { .. })));
    }

    // The same key again replaces its line; a doubled line counts once.
    let before = note.to_string();
    note.add_signature(&one).unwrap();
    assert_eq!(note.to_string(), before);
    let last = before.lines().last().unwrap();
    let doubled: Note = format!("{before}{last}\n").parse().unwrap();
    assert_eq!(doubled.signatures().len(), 4);
    assert_eq!(doubled.verify(&known).unwrap().len(), 2);

    // A line in a known key's name that does not verify, beside one that does.
    let other = Note::sign("other\n", &one).unwrap().to_string();
    let forged: Note = format!("{before}{}\n", other.lines().last().unwrap()).parse().unwrap();
    assert!(matches!(forged.verify(&known), Err(Error::NotAuthenticated { .. })));
    assert_eq!(forged.verify(&known[1..]).unwrap(), [two.verifier()]);
}

#[test]
fn a_signer_that_returns_another_signature_is_found() {
    struct Broken(SigningKey);
    impl Signer for Broken {
        fn verifier(&self) -> &VerifierKey {
            self.0.verifier()
        }
        fn sign(&self, _: &[u8]) -> crate::Result<Vec<u8>> {
            self.0.sign(b"something else")
        }
    }
    let broken = Broken(key("name", 1));
    assert!(matches!(Note::sign("text\n", &broken), Err(Error::NotAuthenticated { .. })));
}

#[test]
fn a_checkpoint_has_one_text() {
    let root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
    for good in [
        format!("a\n0\n{root}\n"),
        format!("a log's name\n18446744073709551615\n{root}\n"),
        format!("a\n1\n{root}\nx\n1\n"),
    ] {
        assert_eq!(Checkpoint::decode(&good).unwrap().encode().unwrap(), good);
    }
    for bad in [
        String::new(),
        "\n".to_owned(),
        "a\n1\n".to_owned(),
        format!("a\n1\n{root}"),
        format!("\n1\n{root}\n"),
        format!("a\n\n{root}\n"),
        format!("a\n1\n{root}\n\n"),
        format!("a\n1\n{root}\n\nx\n"),
        format!("a\n01\n{root}\n"),
        format!("a\n00\n{root}\n"),
        format!("a\n+1\n{root}\n"),
        format!("a\n-1\n{root}\n"),
        format!("a\n 1\n{root}\n"),
        format!("a\n18446744073709551616\n{root}\n"),
        format!("a\n1\n{}\n", &root[..43]),
        format!("a\n1\n{}J=\n", &root[..42]),
        format!("a\n1\nAAAA{root}\n"),
        format!("a\r\n1\n{root}\n"),
        format!("a\n1\n{root}\nx\ty\n"),
    ] {
        assert!(matches!(Checkpoint::decode(&bad), Err(Error::InvalidTrust { .. })), "{bad:?}");
    }
    for line in ["", "two\nlines", "\u{7}"] {
        let mut checkpoint = checkpoint(1);
        checkpoint.extensions = vec![line.to_owned()];
        assert!(checkpoint.encode().is_err(), "{line:?}");
        assert!(checkpoint.sign(&key(ORIGIN, 1)).is_err(), "{line:?}");
        checkpoint.extensions.clear();
        checkpoint.origin = line.to_owned();
        assert!(checkpoint.encode().is_err(), "{line:?}");
    }
}

#[test]
fn a_signer_signs_only_what_continues_what_it_signed() {
    let leaves: Vec<_> = (0..20_u8).map(|i| LogTree::leaf(&[i])).collect();
    let origin = ORIGIN.parse().unwrap();
    let at = |size: usize| Checkpoint::new(&origin, size as u64, root::<LogTree>(&leaves[..size]));
    let signer = key(ORIGIN, 5);
    for old in 0..=20 {
        let note = at(old).sign(&signer).unwrap();
        let memory = SignerMemory::from_note(&note, signer.verifier()).unwrap();
        assert_eq!(memory, SignerMemory::of(&at(old)));
        assert_eq!(SignerMemory::decode(&memory.encode().unwrap()).unwrap(), memory);
        for new in 0..=20 {
            let reader = Leaves::<LogTree>::new(&leaves);
            let proof = consistency_proof::<LogTree, _>(&reader, old as u64, new as u64).unwrap();
            let answer = memory.may_sign(&at(new), &proof);
            if new >= old {
                answer.unwrap();
            } else {
                let error = answer.unwrap_err();
                assert!(matches!(error, Error::RolledBack { .. }), "{error}");
                let text = error.to_string();
                for told in [format!("size {old} "), format!("size {new} "), memory.root.to_string()] {
                    assert!(text.contains(&told), "{text}");
                }
            }
            let mut other = at(new);
            other.root.0[0] ^= 1;
            if old > 0 {
                let answer = memory.may_sign(&other, &proof);
                assert!(matches!(answer, Err(Error::RolledBack { .. })), "{old} to another {new}");
            }
            if new > old && old > 0 {
                assert!(memory.may_sign(&at(new), &[]).is_err());
            }
            assert!(memory.may_sign(&at(new), &[&proof[..], &[Hash::ZERO]].concat()).is_err());
            other = at(new);
            other.origin = "another.example/log".to_owned();
            assert!(matches!(memory.may_sign(&other, &proof), Err(Error::InvalidTrust { .. })));
        }
    }
    assert!(SignerMemory::decode(&format!("{}x\n", checkpoint(1).encode().unwrap())).is_err());
    assert!(
        SignerMemory::from_note(&checkpoint(1).sign(&key(ORIGIN, 6)).unwrap(), signer.verifier()).is_err()
    );
}
