//! Rules on the text of files: headers, lengths, `unsafe`, words that do not belong here, links of the README.

use super::{Text, none, root, rust, texts};

/// Past this many lines there is a second idea in a file.
const LINES_MAX: usize = 800;
/// The one file that may say `unsafe`.
const UNSAFE_ROOM: &str = "engine/src/disk/map.rs";
/// The one package that is no member of the workspace: libFuzzer's macro needs what the lints refuse.
const OUTSIDE: &str = "fuzz/Cargo.toml";

#[test]
fn every_file_says_what_it_owns() {
    let silent: Vec<_> = rust().into_iter().filter(|t| !opens_with_docs(&t.text)).map(|t| t.path).collect();
    none("these do not open with `//!`", &silent);
}

fn opens_with_docs(text: &str) -> bool {
    text.starts_with("//! ")
}

#[test]
fn no_file_is_too_long() {
    let long: Vec<_> = rust()
        .into_iter()
        .filter(|text| text.text.lines().count() > LINES_MAX)
        .map(|text| format!("{} has {} lines", text.path, text.text.lines().count()))
        .collect();
    none("these are longer than 800 lines", &long);
}

#[test]
fn unsafe_is_in_one_file() {
    let found: Vec<_> = rust()
        .into_iter()
        .filter(|text| text.path != UNSAFE_ROOM && has_unsafe(&text.text))
        .map(|text| text.path)
        .collect();
    none("only the mapping of files needs `unsafe`", &found);
    let files = texts();
    let manifests = || files.iter().filter(|text| text.path.ends_with("/Cargo.toml"));
    let lax: Vec<_> = manifests()
        .filter(|text| text.path != OUTSIDE && !text.text.contains("[lints]\nworkspace = true"))
        .map(|text| text.path.clone())
        .collect();
    none("these do not take the workspace's lints", &lax);
    let workspace = files.iter().find(|text| text.path == "Cargo.toml");
    assert!(workspace.is_some_and(|text| text.text.contains("\nunsafe_code = \"deny\"\n")));
    assert!(manifests().count() > 2);
}

/// Whether code, not comments or names, says `unsafe`.
fn has_unsafe(text: &str) -> bool {
    let keyword = concat!("un", "safe");
    text.lines().filter(|line| !line.trim_start().starts_with("//")).any(|line| {
        ["{", "fn ", "impl ", "extern ", "trait "]
            .iter()
            .any(|next| line.contains(&format!("{keyword} {next}")))
    })
}

/// Words of places that only one machine has, and of hosts that a build must not depend on. In pieces, so that
/// this file does not contain them.
const STRANGERS: [&[&str]; 8] = [
    &["/work/", "wt"],
    &["/work/", "main"],
    &["/work/", "shared"],
    &["/tmp/", "bash"],
    &["index.crates", ".io"],
    &["static.crates", ".io"],
    &["files.python", "hosted.org"],
    &["registry.npm", "js.org"],
];

/// Lock files name where each crate came from; the tool writes them.
fn is_written_by_a_tool(path: &str) -> bool {
    path.ends_with("Cargo.lock") || path.ends_with("package-lock.json")
}

#[test]
fn no_file_speaks_of_one_machine() {
    let strangers: Vec<String> = STRANGERS.iter().map(|pieces| pieces.concat()).collect();
    let complaints: Vec<_> = texts()
        .iter()
        .filter(|text| !is_written_by_a_tool(&text.path))
        .flat_map(|text| strangers.iter().filter_map(|word| complaint(text, word)))
        .collect();
    none("these words do not belong here", &complaints);
}

fn complaint(text: &Text, word: &str) -> Option<String> {
    let line = text.text.lines().position(|line| line.contains(word))?;
    Some(format!("{}:{}: {word}", text.path, line + 1))
}

#[test]
fn what_the_readme_links_is_there() {
    let Some(readme) = texts().into_iter().find(|text| text.path == "README.md") else { return };
    let missing: Vec<_> = links(&readme.text).filter(|link| !root().join(link).exists()).collect();
    none("the README links to", &missing);
}

/// The targets of inline links that are paths, without their anchors.
fn links(markdown: &str) -> impl Iterator<Item = String> {
    markdown
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', '#']).next())
        .filter(|link| !link.is_empty() && !link.contains("://") && !link.starts_with("mailto:"))
        .map(str::to_owned)
}

#[test]
fn the_rules_ring() {
    assert!(opens_with_docs("//! A file.\n"));
    assert!(!opens_with_docs("use std::fs;\n//! late\n"));
    assert!(has_unsafe(&format!("let x = {} {{ 1 }};", concat!("un", "safe"))));
    assert!(!has_unsafe("// the word alone is fine\n#![deny(unsafe_code)]"));
    assert_eq!(
        links("[a](docs/A.md#part) [b](https://example.com/x.md) [c](B.md)").collect::<Vec<_>>(),
        ["docs/A.md", "B.md"]
    );
    let text = Text { path: "x".to_owned(), text: "one\nat /somewhere/else\n".to_owned() };
    assert_eq!(complaint(&text, "/somewhere/"), Some("x:2: /somewhere/".to_owned()));
    assert_eq!(complaint(&text, "/nowhere/"), None);
}
