//! The command line as a user meets it: the real binary, run in a directory of its own.
#![expect(clippy::unwrap_used, clippy::panic, reason = "what fails here fails a test")]

mod anchors;
mod artifacts;
mod bundles;
mod codes;
mod commands;
mod controls;
mod following;
mod help;
mod input;
mod interfaces;
mod keys;
mod plans;
mod proofs;
mod publishing;
mod questions;
mod retention;
mod scheduled;
mod terminal;
mod tls;
mod witnessing;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

/// The binary, built from this workspace in the profile that the tests were built in.
pub(crate) fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        // target/<profile>/deps/<this test>
        let exe = std::env::current_exe().unwrap();
        let profile_dir = exe.parent().unwrap().parent().unwrap();
        let profile = match profile_dir.file_name().unwrap().to_str().unwrap() {
            "debug" => "dev",
            other => other,
        };
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let built = Command::new(cargo)
            .args(["build", "--quiet", "-p", "indelible", "--bin", "indelible", "--profile", profile])
            .arg("--target-dir")
            .arg(profile_dir.parent().unwrap())
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
            .status()
            .unwrap();
        assert!(built.success(), "the binary does not build");
        profile_dir.join("indelible")
    })
}

/// A directory with a store, keys and whatever else a test needs; gone when the test ends.
pub(crate) struct Site {
    pub(crate) dir: TempDir,
}

/// How a run of the program ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
}

impl Run {
    /// Asserts the exit code, and goes on.
    #[track_caller]
    pub(crate) fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", self.text(), self.err);
        self
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

impl Site {
    /// An empty directory.
    pub(crate) fn new() -> Self {
        Site { dir: tempfile::tempdir().unwrap() }
    }

    /// A directory with a new store, `evidence`, of `acme.example/test`.
    pub(crate) fn with_store() -> Self {
        let site = Site::new();
        site.run(&["init", "--origin", "acme.example/test"]).ends(0);
        site
    }

    /// The same, with `count` events `{"event_id":"ev_N","n":N}`.
    pub(crate) fn with_events(count: u64) -> Self {
        let site = Site::with_store();
        site.feed(&["append", "--no-checkpoint"], events(count).as_bytes()).ends(0);
        site
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// The program, ready to be run here.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(args).current_dir(self.dir.path());
        for name in
            ["XDG_CACHE_HOME", "XDG_CONFIG_HOME", "NO_COLOR", "COLUMNS", "RUST_BACKTRACE", "PAGER", "LESS"]
        {
            command.env_remove(name);
        }
        command
            .env("HOME", self.dir.path())
            .env("TERM", "xterm")
            .env("TMPDIR", self.dir.path())
            .env("INDELIBLE_CONFIG_DIR", self.path("config"))
            .env("INDELIBLE_STORE", "evidence");
        command
    }

    /// Runs the program without input.
    pub(crate) fn run(&self, args: &[&str]) -> Run {
        self.feed(args, b"")
    }

    /// Runs the program on `input`.
    pub(crate) fn feed(&self, args: &[&str], input: &[u8]) -> Run {
        feed(self.command(args), input)
    }

    /// What differs from run to run, made the same: paths, hashes, times, keys, sizes.
    pub(crate) fn settled(&self, text: &str) -> String {
        let times = regex::Regex::new(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z").unwrap();
        self.settled_but_for_times(&times.replace_all(text, "[time]"))
    }

    /// The same, with the times of events as they are; those of commits go.
    pub(crate) fn settled_but_for_times(&self, text: &str) -> String {
        let text = text.replace(&self.dir.path().display().to_string(), "[dir]");
        let rules = [
            (r#""received_at":"[^"]+""#, "\"received_at\":\"[time]\""),
            (r"\b[0-9a-f]{64}\b", "[hash]"),
            (r"\b[0-9a-f]{32}\b", "[id]"),
            (r"\b[0-9a-f]{16}\b", "[digest]"),
            (r"(?m)^[A-Za-z0-9+/]{43}=$", "[root]"),
            (r"\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+", "+[key]"),
            (r"(?m)^(— \S+ )\S+$", "${1}[signature]"),
            (r"\b\d+\.\d s\b", "[seconds]"),
            // What the format takes is for the benches to watch.
            (r"\b\d+(\.\d)? ([KMGT]i)?B\b", "[size]"),
            (r#""(log_len|read_len|hot|warm|warm_unpacked|index)":\d+"#, "\"$1\":[size]"),
        ];
        rules.iter().fold(text, |text, (pattern, word)| {
            regex::Regex::new(pattern).unwrap().replace_all(&text, *word).into_owned()
        })
    }
}

/// Runs a command on `input`.
pub(crate) fn feed(mut command: Command, input: &[u8]) -> Run {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // A program that ends early closes its stdin: that is its right.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    Run {
        code: output.status.code(),
        out: output.stdout,
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// `count` small events, one a line.
pub(crate) fn events(count: u64) -> String {
    (0..count).map(|n| format!("{{\"event_id\":\"ev_{n}\",\"n\":{n}}}\n")).collect()
}
