//! The golden stores of the repository: each is what its `expect` file says, and making it anew gives its bytes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use indelible_tests::golden::{self, DIR, EXPECT};

fn stored() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(DIR)
}

fn files(dir: &Path, below: &Path, found: &mut BTreeMap<String, Vec<u8>>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            files(&path, below, found)?;
        } else {
            let name = path.strip_prefix(below).unwrap_or(&path).to_string_lossy().into_owned();
            found.insert(name, std::fs::read(&path)?);
        }
    }
    Ok(())
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
        let (root, mut found) = (stored().join(golden.name), BTreeMap::new());
        files(&root, &root, &mut found).unwrap();
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
