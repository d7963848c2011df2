//! Archives as others see them: a bucket of a real server that misbehaves, and DuckDB, which knows nothing of Indelible.
//!
//! The server and DuckDB are Python packages. Where these cannot be had, the tests say so on the terminal and check nothing.
#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

mod buckets;
mod deletion;
mod duckdb;
mod proxy;
mod retrieval;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// What the tests need; `boto3` comes with the server.
const PACKAGES: [&str; 2] = ["duckdb==2.0.0", "moto[server]==5.2.5"];

/// A Python that has the packages, made once; nothing where they cannot be had, which is said.
fn python() -> Option<&'static Path> {
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    let python = PYTHON.get_or_init(|| {
        // target/<profile>/deps/<this test>
        let exe = std::env::current_exe().unwrap();
        let home = exe.ancestors().nth(3).unwrap().join("test-python");
        let python = home.join("bin/python");
        let has_all = || {
            let check = Command::new(&python).args(["-c", "import boto3, duckdb, moto.server"]).output();
            check.is_ok_and(|check| check.status.success())
        };
        if !has_all() {
            let made = Command::new("python3").args(["-m", "venv"]).arg(&home).output();
            let pip = made.and_then(|_| {
                let mut pip = Command::new(home.join("bin/pip"));
                pip.args(["install", "--quiet", "--disable-pip-version-check"]).args(PACKAGES).output()
            });
            let failed = match &pip {
                Ok(pip) => String::from_utf8_lossy(&pip.stderr).into_owned(),
                Err(error) => error.to_string(),
            };
            if !has_all() {
                // Not by a macro, whose words would be kept from the terminal where the test goes well.
                let words =
                    format!("SKIPPED: tests of archives need the Python packages {PACKAGES:?}: {failed}\n");
                std::io::stderr().write_all(words.as_bytes()).unwrap();
                return None;
            }
        }
        Some(python)
    });
    python.as_deref()
}
