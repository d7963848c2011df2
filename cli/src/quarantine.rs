//! The quarantine file: lines that could not be taken, each beside its reason, one JSON object a line.
//!
//! A line's bytes can be had back exactly: `text` is the line where it is UTF-8, `base64` where it is not.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::exit::{Failure, Outcome};
use crate::feed::BadLine;

/// A file that bad lines are appended to; made when the first one comes.
pub(crate) struct Quarantine {
    path: PathBuf,
    file: Option<File>,
}

#[derive(Serialize)]
struct Entry<'a> {
    file: &'a str,
    line: u64,
    column: u64,
    reason: &'a str,
    len: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
    /// Only the beginning of a line over the limit is kept.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    cut: bool,
}

impl Quarantine {
    /// The file at `path`.
    pub(crate) fn new(path: PathBuf) -> Self {
        Quarantine { path, file: None }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a line.
    pub(crate) fn add(&mut self, bad: &BadLine) -> Outcome<()> {
        let failed = |error| Failure::io(format!("write {}", self.path.display()))(error);
        let mut line = serde_json::to_vec(&entry(bad)).map_err(|error| failed(error.into()))?;
        line.push(b'\n');
        let mut file = match self.file.take() {
            Some(file) => file,
            None => OpenOptions::new()
                .append(true)
                .create(true)
                .mode(0o600)
                .open(&self.path)
                .map_err(Failure::io(format!("open {}", self.path.display())))?,
        };
        // One write a line, so that two processes with one quarantine do not mix theirs.
        file.write_all(&line).map_err(failed)?;
        self.file = Some(file);
        Ok(())
    }

    /// Makes durable what was added.
    pub(crate) fn sync(&self) -> Outcome<()> {
        match &self.file {
            Some(file) => file.sync_all().map_err(Failure::io(format!("sync {}", self.path.display()))),
            None => Ok(()),
        }
    }
}

fn entry(bad: &BadLine) -> Entry<'_> {
    let text = std::str::from_utf8(&bad.bytes).ok();
    Entry {
        file: &bad.place.file,
        line: bad.place.line,
        column: bad.column,
        reason: &bad.reason,
        len: bad.len,
        text,
        base64: text.is_none().then(|| STANDARD.encode(&bad.bytes)),
        cut: bad.len > bad.bytes.len() as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::Place;
    use std::os::unix::fs::PermissionsExt;

    fn bad(bytes: &[u8]) -> BadLine {
        let place = Place { file: "a.jsonl".into(), line: 7 };
        BadLine {
            place,
            column: 2,
            reason: "no \"object\"".into(),
            len: bytes.len() as u64,
            bytes: bytes.to_vec(),
        }
    }

    #[test]
    fn every_line_can_be_had_back_exactly() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("quarantine.jsonl");
        let lines: [&[u8]; 4] = [b"[1,2]", b"{\"a\":\"\x00\x1b\"}", b"\xff\xfe{", "ü".as_bytes()];
        // Twice opened: what is there is kept.
        for half in lines.chunks(2) {
            let mut quarantine = Quarantine::new(path.clone());
            half.iter().for_each(|line| quarantine.add(&bad(line)).unwrap());
            quarantine.sync().unwrap();
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let back: Vec<Vec<u8>> = text
            .lines()
            .map(|line| {
                let entry: serde_json::Value = serde_json::from_str(line).unwrap();
                assert_eq!((entry["line"].as_u64(), entry["column"].as_u64()), (Some(7), Some(2)));
                match entry["text"].as_str() {
                    Some(text) => text.as_bytes().to_vec(),
                    None => STANDARD.decode(entry["base64"].as_str().unwrap()).unwrap(),
                }
            })
            .collect();
        assert_eq!(back, lines);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
