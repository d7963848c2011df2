//! The signing key: shown, exported, imported, and replaced by a command that signs.

use std::process::Command;

use super::{Site, events};

fn site() -> (Site, String) {
    let site = Site::new();
    let key = site.run(&["init", "--origin", "acme.example/test"]).ends(0).text().trim().to_owned();
    site.feed(&["append"], events(5).as_bytes()).ends(0);
    (site, key)
}

/// The key of RFC 8410, section 10.3.
const PEM: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
    -----END PRIVATE KEY-----\n";

#[test]
fn a_key_goes_to_another_machine_and_signs_there() {
    let (site, key) = site();
    site.run(&["checkpoint"]).ends(0);
    let shown = site.run(&["key", "show", "--json"]).ends(0).json();
    assert_eq!(shown["verifier_key"], key);
    assert_eq!(shown["signed_size"], 7, "five events and two records of the store's own");
    assert_eq!(site.run(&["key", "show"]).ends(0).text().trim(), key);
    site.run(&["key", "export", "-o", "key.pem"]).ends(0);
    let pem = std::fs::read_to_string(site.path("key.pem")).unwrap();
    assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----\n"), "a PKCS#8 key");
    assert!(
        site.run(&["key", "export", "-o", "key.pem"]).ends(3).err.contains("key.pem"),
        "nothing is overwritten"
    );
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(site.path("key.pem")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
    let imported = ["key", "import", "key.pem", "--name", "acme.example/test", "--signing-key", "other.key"];
    assert_eq!(site.run(&imported).ends(0).text().trim(), key, "the same key under the same name");
    site.run(&imported).ends(2);
    site.feed(&["append"], events(3).as_bytes()).ends(0);
    site.run(&["checkpoint", "--signing-key", "other.key"]).ends(0);
    site.run(&["verify", "--key", &key]).ends(0);
    // Where OpenSSL is, it reads what was written, and what it writes is read.
    let Ok(read) = Command::new("openssl").args(["pkey", "-noout", "-in"]).arg(site.path("key.pem")).output()
    else {
        return;
    };
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    let made = Command::new("openssl").args(["genpkey", "-algorithm", "ed25519"]).output().unwrap();
    site.feed(&["key", "import", "-", "--name", "acme.example/new"], &made.stdout).ends(0);
}

#[test]
fn what_is_no_key_is_refused_and_not_repeated() {
    let (site, _) = site();
    let refused =
        site.feed(&["key", "import", "-", "--name", "acme.example/x"], b"-----BEGIN RSA PRIVATE KEY-----");
    assert!(refused.ends(2).err.contains("RSA PRIVATE KEY"));
    let refused = site
        .feed(&["key", "import", "-", "--name", "acme.example/x"], PEM.replace("MC4C", "MC5C").as_bytes());
    let told = refused.ends(2).err;
    assert!(told.contains("openssl pkey") && !told.contains("NTuctv5E1hK1"), "{told}");
    let imported = site.feed(&["key", "import", "-", "--name", "acme.example/x"], PEM.as_bytes()).ends(0);
    assert_eq!(
        imported.text().trim(),
        "acme.example/x+64242aee+ARm/RAlphM3+hUG6wWfcO5bIUIaqMLa2ywxcOK1wMWbh"
    );
    let public = site.run(&["key", "show", "--pem", "--signing-key", "nowhere.key"]).ends(2);
    assert!(public.err.contains("nowhere.key"));
}

#[test]
fn a_command_signs_and_is_not_believed_blindly() {
    let (site, key) = site();
    // The tests' stand-in for an HSM: OpenSSL, where it is.
    if Command::new("openssl").arg("version").output().is_err() {
        return;
    }
    site.run(&["key", "export", "-o", "key.pem"]).ends(0);
    let sign = |pem: &str| {
        format!(
            "f=$(mktemp) && cat > $f && openssl pkeyutl -sign -rawin -inkey {} -in $f; rm $f",
            site.path(pem).display()
        )
    };
    let by = |command: &str| site.run(&["checkpoint", "--signer-command", command]);
    by(&sign("key.pem")).ends(0);
    site.run(&["verify", "--no-record", "--key", &key]).ends(0);
    site.feed(&["append"], events(2).as_bytes()).ends(0);
    by(&format!("({}) | base64", sign("key.pem"))).ends(0);
    assert_eq!(
        site.run(&["key", "show", "--json"]).ends(0).json()["signed_size"],
        9,
        "it is remembered as with a file"
    );
    site.feed(&["append"], events(2).as_bytes()).ends(0);
    std::fs::write(site.path("wrong.pem"), PEM).unwrap();
    assert!(by(&sign("wrong.pem")).ends(2).err.contains("signed with another key"));
    assert!(by("echo hello").ends(2).err.contains("printed no signature"));
    assert!(by("exit 3").ends(2).err.contains("failed"));
}
