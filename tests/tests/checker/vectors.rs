//! The second verifier's own foundations against foreign vectors: an Ed25519 or BLAKE3 that is wrong in the same way
//! as ours could not be told by comparing the two.

use std::path::Path;
use std::process::Command;

#[test]
fn the_second_verifier_passes_foreign_vectors() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new("python3")
        .arg("-B")
        .arg(dir.join("checker/vectors.py"))
        .arg(dir.join("../engine/testdata/ed25519/wycheproof-ed25519_test.json"))
        .arg(dir.join("checker/testdata/blake3.json"))
        .arg(dir.join("../engine/testdata/merkle-rfc6962"))
        .output()
        .expect("these tests need Python 3.11 or later as `python3`: it runs the second verifier");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.starts_with("151 signatures, "), "{said}");
}
