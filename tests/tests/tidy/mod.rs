//! What every file of the repository owes its reader, checked like any other behaviour.
//!
//! The files looked at are those that version control knows or would add; in a tree without it, all that are
//! there.

mod dependencies;
mod rooms;
mod text;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The repository's root.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the repository").to_owned()
}

/// A file of the repository that holds text.
struct Text {
    /// From the root, with `/`.
    path: String,
    text: String,
}

/// All files of the repository that are UTF-8.
fn texts() -> Vec<Text> {
    let root = root();
    let mut paths = known(&root).unwrap_or_else(|| walk(&root));
    paths.sort();
    let texts: Vec<_> = paths
        .into_iter()
        .filter_map(|path| {
            let text = String::from_utf8(fs::read(root.join(&path)).ok()?).ok()?;
            Some(Text { path, text })
        })
        .collect();
    assert!(
        texts.iter().any(|text| text.path == "engine/src/lib.rs"),
        "found no files below {}",
        root.display()
    );
    texts
}

/// The Rust files.
fn rust() -> Vec<Text> {
    texts().into_iter().filter(|text| text.path.ends_with(".rs")).collect()
}

fn known(root: &Path) -> Option<Vec<String>> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let names = String::from_utf8(listed.stdout).ok()?;
    Some(names.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect())
}

fn walk(root: &Path) -> Vec<String> {
    let mut open = vec![root.to_owned()];
    let mut found = Vec::new();
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).expect("a directory of the repository").flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            if path.is_dir() {
                if name != "target" && name != ".git" && name != "artifacts" {
                    open.push(path);
                }
            } else if let Ok(inside) = path.strip_prefix(root) {
                found.push(inside.to_string_lossy().into_owned());
            }
        }
    }
    found
}

/// Fails with all complaints, one a line.
fn none(what: &str, complaints: &[String]) {
    assert!(complaints.is_empty(), "{what}:\n  {}", complaints.join("\n  "));
}
