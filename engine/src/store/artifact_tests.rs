//! Artifacts: kept once, found whole or not at all, verified and backed up.

use std::io;

use super::*;
use crate::artifact::ArtifactId;
use crate::verify;

fn store(dir: &Path) -> Store {
    Store::create(dir, Options::new("test.example/artifacts").allocate_len(8 << 10)).unwrap()
}

fn content(store: &Store, id: ArtifactId) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    store.artifact(id)?.copy_to(&mut content)?;
    Ok(content)
}

fn verified(dir: &Path) -> verify::Report {
    let disk: Arc<dyn crate::disk::Disk> = Arc::new(crate::disk::RealDisk);
    verify::verify(&disk, dir, &verify::Options::default()).unwrap()
}

/// The file of an artifact, and its bytes.
fn file(dir: &Path, id: ArtifactId) -> (std::path::PathBuf, Vec<u8>) {
    let name = id.0.to_string();
    let path = dir.join("artifacts").join(&name[..2]).join(&name);
    let bytes = std::fs::read(&path).unwrap();
    (path, bytes)
}

#[test]
fn an_artifact_is_kept_once_under_the_hash_that_anybody_can_compute() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let text = b"what the agent was told\n".repeat(10_000);
    let (info, is_new) = store.put_artifact(&mut &text[..]).unwrap();
    assert!(is_new && info.len == text.len() as u64 && info.stored_len < info.len / 10);
    assert_eq!(info.id.0.0, *blake3::hash(&text).as_bytes());
    assert_eq!(store.put_artifact(&mut &text[..]).unwrap(), (info, false));
    let (empty, _) = store.put_artifact(&mut io::empty()).unwrap();
    assert_eq!(content(&store, info.id).unwrap(), text);
    assert_eq!(content(&store, empty.id).unwrap(), b"");
    assert_eq!(store.artifact(info.id).unwrap().info(), info);
    let mut ids = vec![info.id, empty.id];
    ids.sort();
    assert_eq!(store.artifacts().unwrap(), ids);
    let text = info.id.to_string();
    assert_eq!(text.parse::<ArtifactId>().unwrap(), info.id);
    assert_eq!(text.strip_prefix("blake3:").unwrap().parse::<ArtifactId>().unwrap(), info.id);
    assert!("sha256:00".parse::<ArtifactId>().is_err());
    let unknown = ArtifactId(crate::hash::Hash([9; 32]));
    assert!(matches!(store.artifact(unknown), Err(Error::NotFound { .. })));
    let leftovers = std::fs::read_dir(dir.path()).unwrap();
    assert!(!leftovers.flatten().any(|entry| entry.file_name().to_string_lossy().ends_with(".new")));
    let report = verified(dir.path());
    assert_eq!((report.findings.len(), report.covered.artifact_count), (0, 2), "{report:?}");
}

/// Gives some bytes, and then fails.
struct Failing(usize);

impl io::Read for Failing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.0.min(buffer.len());
        self.0 -= count;
        if count == 0 { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(count) }
    }
}

#[test]
fn what_could_not_be_read_to_its_end_is_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let before = std::fs::read_dir(dir.path()).unwrap().count();
    assert!(matches!(store.put_artifact(&mut Failing(1 << 20)), Err(Error::Io { .. })));
    assert_eq!(store.artifacts().unwrap(), []);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), before);
    let reader = Store::open(dir.path(), Options::default().read_only(true)).unwrap();
    assert!(matches!(reader.put_artifact(&mut io::empty()), Err(Error::ReadOnly { .. })));
}

#[test]
fn every_changed_byte_is_found_and_a_new_put_mends_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let (info, _) = store.put_artifact(&mut &b"a diff"[..]).unwrap();
    let (path, whole) = file(dir.path(), info.id);
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        std::fs::write(&path, &bytes).unwrap();
        assert!(matches!(content(&store, info.id), Err(Error::Fault { .. })), "byte {at}");
        let report = verified(dir.path());
        let found: Vec<_> = report.findings.iter().map(|finding| finding.file.as_str()).collect();
        assert_eq!(found, [path.strip_prefix(dir.path()).unwrap().to_str().unwrap()], "byte {at}");
    }
    // Another artifact under this name is a forgery, whole as it is.
    let (other, _) = store.put_artifact(&mut &b"another diff"[..]).unwrap();
    std::fs::copy(file(dir.path(), other.id).0, &path).unwrap();
    let report = verified(dir.path());
    assert_eq!(report.findings.len(), 1);
    assert_eq!(report.findings[0].class, verify::FindingClass::Forged, "{report:?}");
    let (mended, is_new) = store.put_artifact(&mut &b"a diff"[..]).unwrap();
    assert!(is_new && mended == info);
    assert_eq!(verified(dir.path()).findings.len(), 0);
    assert_eq!(content(&store, info.id).unwrap(), b"a diff");
}

#[test]
fn a_backup_has_them_too() {
    let (dir, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = store(dir.path());
    let (info, _) = store.put_artifact(&mut &b"a log"[..]).unwrap();
    let copy = to.path().join("copy");
    store.backup(&copy, &mut |_, _| true).unwrap();
    let report = verified(&copy);
    assert_eq!((report.findings.len(), report.covered.artifact_count), (0, 1));
    assert_eq!(content(&Store::open(&copy, Options::default()).unwrap(), info.id).unwrap(), b"a log");
}
