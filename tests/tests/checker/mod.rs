//! The second verifier, `tests/checker/check.py`, against ours: it was written from docs/FORMAT*.md and shares no line
//! with the store. Both give one verdict on every golden store, on stores of every shipped profile, on proofs and
//! bundles, and on thousands of these in which something was changed.
#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

mod answers;
mod archived;
mod asking;
mod authority;
mod bundles;
mod mutants;
mod profiles;
mod proofs;
mod stores;
mod vectors;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use indelible_tests::golden;

/// The second verifier, answering one question after another.
struct Checker {
    child: Child,
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// What it says of one thing.
#[derive(Debug)]
struct Opinion {
    verdict: String,
    said: serde_json::Value,
}

impl Checker {
    fn start() -> Checker {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("checker/check.py");
        let mut child = Command::new("python3")
            .arg("-B")
            .arg(script)
            .arg("batch")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("these tests need Python 3.11 or later as `python3`: it runs the second verifier");
        let questions = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().expect("it is piped"));
        Checker { child, questions, answers }
    }

    /// Whether it can unpack what the warm tier packs: zstd is in Python from 3.14 on, before that the system's libzstd
    /// is used, where there is one. Without either it says so of a store with packs, and calls it no better.
    fn unpacks(&mut self) -> bool {
        let warm = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(golden::DIR).join("warm");
        let opinion = self.ask("store", &warm, "");
        let is_without = opinion.verdict == "unsupported" && opinion.said.to_string().contains("no zstd");
        assert!(is_without || opinion.verdict == "clean", "{:#}", opinion.said);
        !is_without
    }

    /// What it says of a store, a proof or a bundle.
    fn ask(&mut self, what: &str, path: &Path, key: &str) -> Opinion {
        self.ask_expecting(what, path, key, Path::new(""))
    }

    /// As [`Checker::ask`], with a checkpoint that is expected.
    fn ask_expecting(&mut self, what: &str, path: &Path, key: &str, expected: &Path) -> Opinion {
        let questions = self.questions.as_mut().expect("it is piped");
        let (path, expected) = (path.display(), expected.display());
        writeln!(questions, "{what}\t{path}\t{key}\t{expected}").expect("the second verifier runs");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the second verifier answers");
        let said: serde_json::Value = serde_json::from_str(&line).expect("it answers with JSON");
        let verdict = said["verdict"].as_str().expect("it gives a verdict").to_owned();
        Opinion { verdict, said }
    }
}

impl Drop for Checker {
    fn drop(&mut self) {
        self.questions = None;
        let _ = self.child.wait();
    }
}

/// Writes the files of a store below `root`.
fn write_store<'f>(root: &Path, files: impl IntoIterator<Item = (&'f String, &'f Vec<u8>)>) {
    for (name, bytes) in files {
        let path: PathBuf = root.join(name);
        std::fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("a folder");
        std::fs::write(path, bytes).expect("a file");
    }
}

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Numbers drawn so that a seed means the same everywhere (splitmix64).
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % bound.max(1) as u64) as usize
    }
}
