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
    for made in [
        &["key", "export", "-o", "key.pem"][..],
        &["operators", "key", "alice", "-o", "key.pem"],
        &["witness", "key", "key.pem", "--name", "witness.example/w1"],
    ] {
        let refused = site.run(made).ends(2).err;
        assert!(refused.contains("key.pem is there already; name another or remove it"), "{refused}");
    }
    assert_eq!(std::fs::read_to_string(site.path("key.pem")).unwrap(), pem, "nothing is overwritten");
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
    let hangs = ["checkpoint", "--signer-command", "exec sleep 60", "--signer-timeout", "1ms"];
    assert!(site.run(&hangs).ends(2).err.contains("was stopped after 1ms"));
}

fn grow_and_sign(site: &Site) {
    site.feed(&["append", "--no-checkpoint"], events(2).as_bytes()).ends(0);
    site.run(&["checkpoint"]).ends(0);
}

/// The short form of a verifier key: its name and id.
fn short(vkey: &str) -> String {
    vkey.split('+').take(2).collect::<Vec<_>>().join("+")
}

#[test]
fn a_key_hands_over_to_another_and_who_knows_the_first_is_led_to_it() {
    let (site, old) = site();
    site.run(&["checkpoint"]).ends(0);
    let rotated = site.run(&["key", "rotate", "--json"]).ends(0).json();
    let new = rotated["verifier_key"].as_str().unwrap().to_owned();
    assert_eq!((&rotated["handed_over_by"], &rotated["record"]), (&old.clone().into(), &7.into()));
    let note = site.run(&["checkpoint"]).ends(0).text();
    assert_eq!(note.matches("\u{2014} acme.example/test ").count(), 2, "both keys sign: {note}");
    site.run(&["verify", "--key", &old]).ends(0);
    site.run(&["verify", "--key", &new]).ends(0);
    let finished = site.run(&["key", "rotate", "--finish", "--json"]).ends(0).json();
    assert_eq!(
        (&finished["verifier_key"], &finished["retired"][0]),
        (&new.clone().into(), &old.clone().into())
    );
    grow_and_sign(&site);
    let told = site.run(&["verify", "--key", &old]).ends(0).text();
    assert!(told.contains("handed over") && told.contains(&format!("is signed by {new}")), "{told}");
    let listed = site.run(&["key", "list", "--json"]).ends(0).text();
    let listed: Vec<serde_json::Value> =
        listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&listed[0]["verifier_key"], &listed[0]["in_force"]), (&old.clone().into(), &false.into()));
    assert_eq!((&listed[1]["since_size"], &listed[1]["in_force"]), (&8.into(), &true.into()));
    assert_eq!(site.run(&["key", "show"]).ends(0).text().trim(), new, "the one that signs today");
    assert!(site.run(&["key", "rotate", "--finish"]).ends(2).err.contains("nothing to end"));
    // The old key's file is still there, and signs no more.
    let file = site.path("config/keys/acme.example_test.key").display().to_string();
    assert!(site.run(&["checkpoint", "--signing-key", &file]).ends(2).err.contains("not in force"));
    // A proof names the key that signed: with the old one alone it says so.
    site.run(&["prove", "3", "-o", "three"]).ends(0);
    let proof = "three.tlog-proof";
    site.run(&["verify-proof", proof, "--key", &new]).ends(0);
    let refused = site.run(&["verify-proof", proof, "--key", &old]).ends(12).err;
    assert!(refused.contains(&short(&new)), "{refused}");
}

#[test]
fn a_revoked_keys_later_checkpoints_are_forged() {
    let (site, old) = site();
    site.run(&["checkpoint"]).ends(0);
    let alone = site.run(&["key", "revoke", &old, "--size", "7", "--reason", "stolen"]).ends(2).err;
    assert!(alone.contains("key rotate"), "{alone}");
    let new = site.run(&["key", "rotate"]).ends(0).text().trim().to_owned();
    // By the old key alone, as a thief would.
    let file = site.path("config/keys/acme.example_test.key").display().to_string();
    site.feed(&["append", "--no-checkpoint"], events(2).as_bytes()).ends(0);
    site.run(&["checkpoint", "--signing-key", &file]).ends(0);
    site.run(&["verify", "--key", &old, "--no-record"]).ends(0);
    assert!(
        site.run(&["key", "revoke", &short(&old), "--size", "99", "--reason", "x"])
            .ends(2)
            .err
            .contains("99")
    );
    let revoke = ["key", "revoke", &short(&old), "--size", "8", "--reason", "stolen", "--json"];
    let revoked = site.run(&revoke).ends(0).json();
    assert_eq!(
        (&revoked["revoked"], &revoked["size"], &revoked["record"]),
        (&old.clone().into(), &8.into(), &10.into())
    );
    let told = site.run(&["verify", "--key", &new]).ends(11).text();
    assert!(told.contains("revoked from size 8 on by record 10: stolen"), "{told}");
    std::fs::remove_file(site.path("evidence/checkpoints/00000000000000000010")).unwrap();
    site.run(&["verify", "--key", &new]).ends(0);
    site.run(&["verify", "--key", &old]).ends(0);
    let listed = site.run(&["key", "list"]).ends(0).text();
    assert!(listed.contains(&format!("revoked by record 10, signed by {}: stolen", short(&new))), "{listed}");
}

#[test]
fn what_cannot_be_revoked_is_told_and_one_record_is_one() {
    let (site, old) = site();
    site.run(&["key", "rotate"]).ends(0);
    let revoke = |key: &str| site.run(&["key", "revoke", key, "--size", "1", "--reason", "stolen"]);
    let unknown = revoke("acme.example/test+00000000").ends(2).err;
    assert!(unknown.contains("this log has no key acme.example/test+00000000"), "{unknown}");
    revoke("missing.vkey").ends(3);
    let told = revoke(&short(&old)).ends(0).text();
    assert!(told.contains("signed over more than 1 record counts as forged"), "{told}");
}

#[test]
fn a_key_file_that_is_missing_is_asked_for_by_the_option_that_names_it() {
    let (site, key) = site();
    for args in [
        &["witness", "serve", "--state", "seen", "--key", "missing", "--log", &key][..],
        &["audit-index", "--key", "missing", "-o", "audits"],
    ] {
        let refused = site.run(args).ends(2).err;
        assert!(refused.contains("no signing key at missing; name one with --key FILE"), "{refused}");
    }
    let refused = site.run(&["key", "show", "--signing-key", "missing"]).ends(2).err;
    assert!(refused.contains("name one with --signing-key FILE"), "{refused}");
}

#[test]
fn operators_revoke_a_key_that_nobody_has() {
    let (site, old) = site();
    site.run(&["checkpoint"]).ends(0);
    site.run(&["operators", "key", "acme.example/test", "-o", "thief.key"]).ends(0);
    let operator = |name: &str| {
        let vkey = site.run(&["operators", "key", name, "-o", &format!("{name}.key")]).ends(0).text();
        site.write(&format!("{name}.vkey"), &vkey);
    };
    ["alice", "bob"].into_iter().for_each(operator);
    site.run(&["operators", "add", "alice.vkey", "bob.vkey"]).ends(0);
    let to_operator = site.run(&["key", "rotate", "--to", "alice.key"]).ends(2).err;
    assert!(to_operator.contains("alice"), "{to_operator}");
    let ask = ["key", "revoke", &old, "--size", "7", "--reason", "lost", "-o", "revoke.json"];
    site.run(&ask).ends(0);
    site.run(&["retention", "approve", "revoke.json", "--key", "alice.key"]).ends(0);
    site.run(&["key", "revoke", "--approved", "revoke.json"]).ends(12);
    site.run(&["retention", "approve", "revoke.json", "--key", "thief.key"]).ends(0);
    site.run(&["key", "revoke", "--approved", "revoke.json"]).ends(12);
    site.run(&["retention", "approve", "revoke.json", "--key", "bob.key"]).ends(0);
    let told = site.run(&["key", "revoke", "--approved", "revoke.json"]).ends(0);
    assert!(told.err.contains("recover --fork"), "{}", told.err);
    assert!(site.run(&["checkpoint"]).ends(2).err.contains("no signing key"));
    site.run(&["verify", "--key", &old]).ends(0);
    assert!(site.run(&["doctor"]).ends(0).text().contains("revoked"));
}

#[test]
fn a_key_hands_over_to_a_command_and_a_named_file() {
    let (site, old) = site();
    if Command::new("openssl").arg("version").output().is_err() {
        return;
    }
    let pem = |name: &str| site.path(name).display().to_string();
    let run = |args: &[&str]| assert!(Command::new("openssl").args(args).status().unwrap().success());
    run(&["genpkey", "-algorithm", "ed25519", "-out", &pem("hsm.pem")]);
    run(&["pkey", "-in", &pem("hsm.pem"), "-pubout", "-out", &pem("hsm.pub")]);
    let command = format!(
        "f=$(mktemp) && cat > $f && openssl pkeyutl -sign -rawin -inkey {} -in $f; rm $f",
        pem("hsm.pem")
    );
    let rotated = site.run(&["key", "rotate", "--to-command", &command, "--to-key", "hsm.pub"]).ends(0);
    let hsm = rotated.text().trim().to_owned();
    let note = site.run(&["checkpoint", "--signer-command", &command]).ends(0).text();
    assert_eq!(
        note.matches("\u{2014} acme.example/test ").count(),
        2,
        "the command's, and the file's: {note}"
    );
    site.run(&["key", "rotate", "--finish", "--signer-command", &command]).ends(0);
    let made = ["key", "rotate", "--signer-command", &command, "--to", "next.key"];
    let next = site.run(&made).ends(0).text().trim().to_owned();
    site.run(&["key", "rotate", "--finish", "--signing-key", "next.key"]).ends(0);
    let told = site.run(&["verify", "--key", &old]).ends(0).text();
    assert!(told.contains(&short(&hsm)) && told.contains(&format!("is signed by {next}")), "{told}");
}

#[test]
fn keys_of_one_log_are_held_to_one_history_whichever_of_them_signs() {
    let (site, _) = site();
    site.run(&["checkpoint"]).ends(0);
    site.run(&["key", "rotate", "--to", "new.key"]).ends(0);
    site.run(&["backup", "older"]).ends(0);
    site.run(&["key", "rotate", "--finish", "--signing-key", "new.key"]).ends(0);
    site.feed(&["append", "--no-checkpoint"], events(4).as_bytes()).ends(0);
    site.run(&["checkpoint", "--signing-key", "new.key"]).ends(0);
    // The copy knows nothing of all this, and the first key, which did not sign since, would sign what follows.
    std::fs::rename(site.path("evidence"), site.path("gone")).unwrap();
    std::fs::rename(site.path("older"), site.path("evidence")).unwrap();
    site.feed(&["append", "--no-checkpoint"], events(9).as_bytes()).ends(0);
    assert!(site.run(&["checkpoint"]).ends(13).err.contains("not proven to continue"));
}

#[test]
fn a_key_of_ml_dsa_44_signs_beside_the_first_and_is_told() {
    let (site, key) = site();
    site.run(&["checkpoint"]).ends(0);
    let rotated = site.run(&["key", "rotate", "--ml-dsa", "--json"]).ends(0).json();
    let second = rotated["verifier_key"].as_str().unwrap().to_owned();
    assert_eq!(
        (&rotated["algorithm"], &rotated["handed_over_by"]),
        (&"ML-DSA-44".into(), &key.clone().into())
    );
    let file = rotated["signing_key_file"].as_str().unwrap().to_owned();
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    site.write("second.vkey", &second);
    grow_and_sign(&site);
    for by in [key.as_str(), "second.vkey"] {
        let told = site.run(&["verify", "--key", by, "--json", "--no-record"]).ends(0).json();
        assert_eq!(told["covered"]["ml_dsa_44_count"], 3, "two checkpoints, the latest in two files");
        assert_eq!(told["unknown_signers"], serde_json::json!([]));
    }
    assert_eq!(site.run(&["key", "show"]).ends(0).text().trim(), key, "the one that a bundle names");
    let shown = site.run(&["key", "show", "--signing-key", &file, "--json"]).ends(0).json();
    assert_eq!((&shown["verifier_key"], &shown["signed_size"]), (&second.clone().into(), &10.into()));
    // Both are asked for, and a bundle says whose line it did not check.
    site.run(&["export", "kind = x", "-o", "b.zip"]).ends(0);
    let alone = site.run(&["verify-bundle", "b.zip", "--key", &key, "--json"]).ends(0).json();
    assert_eq!(alone["unknown_signers"], serde_json::json!([short(&second)]));
    let both =
        site.run(&["verify-bundle", "b.zip", "--key", "second.vkey", "--key", &key, "--json"]).ends(0).json();
    assert_eq!(
        (&both["also_signed_by"][0], &both["unknown_signers"]),
        (&second.clone().into(), &serde_json::json!([]))
    );
    assert!(site.run(&["verify-bundle", "b.zip", "--key", "second.vkey"]).ends(2).err.contains("Ed25519"));
    // It goes to another machine as any key does.
    site.run(&["key", "export", "--signing-key", &file, "-o", "second.pem"]).ends(0);
    let import = ["key", "import", "second.pem", "--name", "acme.example/test", "--signing-key", "again.key"];
    assert_eq!(site.run(&import).ends(0).text().trim(), second);
    // Without it checkpoints are signed on, and both the signer and the verifier say what is missing.
    std::fs::remove_file(&file).unwrap();
    site.feed(&["append", "--no-checkpoint"], events(1).as_bytes()).ends(0);
    assert!(site.run(&["checkpoint"]).ends(0).err.contains("is without its signature"));
    let told = site.run(&["verify", "--key", &key, "--no-record"]).ends(0).text();
    assert!(
        told.contains("not covered: a second signature, by ML-DSA-44: 2 of the checkpoints have none"),
        "{told}"
    );
    site.run(&["verify", "--key", "second.vkey", "--no-record"]).ends(12);
    // Another takes its place, and the older one goes.
    let first = site.path("config/keys/acme.example_test.key").display().to_string();
    let next = ["key", "rotate", "--ml-dsa", "--signing-key", "again.key", "--signing-key", &first];
    let next = site.run(&next).ends(0).text().trim().to_owned();
    site.run(&["key", "rotate", "--finish"]).ends(0);
    let told = site.run(&["verify", "--key", "second.vkey", "--no-record"]).ends(0).text();
    assert!(told.contains(&format!("is signed by {next}")), "{told}");
    let listed = site.run(&["key", "list"]).ends(0).text();
    assert_eq!(listed.matches("ML-DSA-44").count(), 2, "{listed}");
}

#[test]
fn lines_of_unknown_keys_are_named() {
    let (site, key) = site();
    site.run(&["checkpoint"]).ends(0);
    let path = site.path("evidence/checkpoint");
    let note = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, note + "\u{2014} stranger.example AAAAAQA=\n").unwrap();
    let told = site.run(&["verify", "--key", &key, "--no-record"]).ends(0).text();
    assert!(
        told.contains("signature lines of keys that are not known here: stranger.example+00000001;"),
        "{told}"
    );
    let told = site.run(&["verify", "--json", "--no-record"]).ends(0).json();
    let signer = &told["unknown_signers"][0];
    assert_eq!((&signer["name"], &signer["key_id"]), (&"stranger.example".into(), &"00000001".into()));
    assert_eq!((&signer["checkpoint_count"], &signer["last_size"]), (&1.into(), &7.into()));
}
