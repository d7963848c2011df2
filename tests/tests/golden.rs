//! The golden stores of the repository: each is what its `expect` file says, and making it anew gives its bytes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use indelible_tests::golden::{self, DIR, EXPECT, LIST};
use sha2::{Digest, Sha256};

/// The SHA-256 of the list of the golden stores' files. They are released: see `golden` before you change it.
const FROZEN: &str = "b2f176010ddcd4e68f620322b167b5393668104aeb95490eaeda78e475a2f089";

fn below_the_root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn stored() -> PathBuf {
    below_the_root(DIR)
}

#[test]
fn the_golden_stores_are_those_that_were_released() {
    let list = std::fs::read_to_string(below_the_root(LIST)).unwrap();
    assert_eq!(golden::list(&golden::files_below(&stored()).unwrap()), list);
    let hash = indelible_engine::hash::Hash(Sha256::digest(&list).into());
    assert_eq!(hash.to_string(), FROZEN);
}

#[test]
fn every_golden_store_verifies_as_it_must() {
    for golden in golden::all().unwrap() {
        let root = stored().join(golden.name);
        let report = golden::verify_at(&root).unwrap();
        let class = report.verdict().map(|class| class.to_string());
        assert_eq!(class.as_deref(), golden.class, "{}: {:#?}", golden.name, report.findings);
        let expected = std::fs::read_to_string(root.join(EXPECT)).unwrap();
        assert_eq!(golden::expect(&golden, &report), expected, "{}", golden.name);
    }
}

#[test]
fn making_the_golden_stores_anew_gives_the_same_bytes_and_no_others_are_there() {
    let all = golden::all().unwrap();
    let mut names: Vec<String> =
        std::fs::read_dir(stored()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let mut made: Vec<&str> = all.iter().map(|golden| golden.name).collect();
    made.sort_unstable();
    assert_eq!(names, made);
    let mut total = 0;
    for golden in all {
        let mut found = golden::files_below(&stored().join(golden.name)).unwrap();
        found.remove(EXPECT);
        let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&found), names(&golden.files), "{}", golden.name);
        for (name, bytes) in &golden.files {
            assert!(
                found[name] == *bytes,
                "{}/{name} differs: run the golden binary and look at the change",
                golden.name
            );
        }
        total += found.values().map(Vec::len).sum::<usize>();
    }
    assert!(total < 1 << 20, "{total} bytes");
}
