//! How many crates stand behind the engine, and which must not.

use std::collections::BTreeSet;
use std::process::Command;

use super::root;

/// Crates that a program with the engine in it is made of, the engine too. Raise it knowingly, with a reason in
/// the commit: each is code that somebody has to trust.
const ENGINE_CRATES_MAX: usize = 77;

/// `name version` of each crate that the engine is built from, without those of its tests.
fn crates() -> BTreeSet<String> {
    let listed = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "-p", "indelible-engine", "-e", "normal", "--prefix", "none"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let names = |line: &str| line.split(' ').take(2).collect::<Vec<_>>().join(" ");
    String::from_utf8_lossy(&listed.stdout).lines().filter(|line| !line.is_empty()).map(names).collect()
}

#[test]
fn the_engine_stands_on_few_crates() {
    let crates = crates();
    assert!(
        crates.iter().any(|name| name.starts_with("blake3 ")),
        "the list has the engine's crates: {crates:?}"
    );
    assert!(
        crates.len() <= ENGINE_CRATES_MAX,
        "{} crates, at most {ENGINE_CRATES_MAX}:\n{crates:#?}",
        crates.len()
    );
}

#[test]
fn bincode_is_for_tests_only() {
    let found: Vec<_> = crates().into_iter().filter(|name| name.starts_with("bincode")).collect();
    assert!(found.is_empty(), "the engine is built from {found:?}");
}
