//! Artifacts from the shell.

use super::Site;

fn site() -> Site {
    let site = Site::new();
    site.run(&["init", "--origin", "acme.example/test"]).ends(0);
    site
}

#[test]
fn what_is_put_is_named_by_events_and_comes_back() {
    let site = site();
    let diff = "- old\n+ new\n".repeat(500);
    std::fs::write(site.path("plan.diff"), &diff).unwrap();
    let put = site.run(&["artifact", "put", "plan.diff", "--json"]).ends(0).json();
    let name = put["artifact"].as_str().unwrap().to_owned();
    assert_eq!((&put["len"], &put["new"]), (&diff.len().into(), &true.into()));
    assert_eq!(site.run(&["artifact", "put", "plan.diff", "--json"]).ends(0).json()["new"], false);
    let event = format!(r#"{{"kind":"change","artifacts":[{{"path":"plan.diff","digest":"{name}"}}]}}"#);
    site.feed(&["record"], event.as_bytes()).ends(0);
    let listed = site.run(&["artifact", "list", "--json"]).ends(0).json();
    assert_eq!((&listed["artifact"], &listed["events"]), (&name.as_str().into(), &1.into()));
    assert!(listed["first"].is_u64() && listed["collectable"] == false, "{listed}");
    assert!(site.run(&["artifact", "get", &name]).ends(0).text() == diff);
    site.run(&["artifact", "get", name.strip_prefix("blake3:").unwrap(), "-o", "back"]).ends(0);
    assert!(std::fs::read_to_string(site.path("back")).unwrap() == diff);
    let again = site.run(&["artifact", "get", &name, "-o", "back"]).ends(2).err;
    assert!(again.contains("back is there already; name another or remove it"), "{again}");
    let from_pipe = site.feed(&["artifact", "put", "-"], b"a prompt").ends(0).text();
    assert!(from_pipe.starts_with("blake3:") && from_pipe.trim_end().ends_with("  -"), "{from_pipe}");
    let verdict = site.run(&["artifact", "verify", "--json"]).ends(0).json();
    assert_eq!(verdict["whole"], 2);
    assert_eq!(site.run(&["verify", "--json"]).ends(0).json()["covered"]["artifact_count"], 2);
}

#[test]
fn one_that_events_name_and_nobody_put_is_missing() {
    let site = site();
    let never = format!("blake3:{}", "0e".repeat(32));
    site.feed(&["record"], format!(r#"{{"artifacts":["{never}"]}}"#).as_bytes()).ends(0);
    let told = site.run(&["artifact", "verify"]).ends(14).text();
    assert_eq!(told, format!("{never}  missing: 1 event names it\n"));
    site.run(&["verify", "--no-record"]).ends(0);
}

#[test]
fn what_is_changed_or_missing_is_told_and_never_given_out() {
    let site = site();
    let put = |content: &str| {
        let text = site.feed(&["artifact", "put", "-"], content.as_bytes()).ends(0).text();
        text.split(' ').next().unwrap().to_owned()
    };
    let (one, two) = (put("one prompt"), put("two prompts"));
    let event = format!(r#"{{"artifacts":["{one}","{two}","https://acme.example/3"]}}"#);
    site.feed(&["record"], event.as_bytes()).ends(0);
    let path = |name: &str| {
        let hex = name.strip_prefix("blake3:").unwrap();
        site.path(&format!("evidence/artifacts/{}/{hex}", &hex[..2]))
    };
    std::fs::remove_file(path(&two)).unwrap();
    // One that was put and is gone weighs as in a verification of the store.
    let told = site.run(&["artifact", "verify"]).ends(11).text();
    assert!(told.starts_with(&format!("{two}  removed without authority: record ")), "{told}");
    let verdict = site.run(&["artifact", "verify", "--json"]).ends(11).json();
    assert_eq!(
        (&verdict["removed"][0]["artifact"], &verdict["removed"][0]["events"]),
        (&(*two).into(), &1.into())
    );
    assert_eq!(verdict["missing"], serde_json::json!([]));
    site.run(&["verify", "--no-record"]).ends(11);
    assert!(site.run(&["artifact", "get", &two]).ends(2).err.contains(&two));
    let mut bytes = std::fs::read(path(&one)).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(path(&one), bytes).unwrap();
    let refused = site.run(&["artifact", "get", &one]).ends(10);
    assert_eq!(refused.text(), "", "nothing that is wrong goes out");
    site.run(&["artifact", "get", &one, "-o", "wrong"]).ends(10);
    assert!(!site.path("wrong").exists());
    let verdict = site.run(&["verify"]).ends(11);
    assert!(verdict.text().contains("removed without authority"), "{}", verdict.text());
    assert!(site.run(&["artifact", "get", "plan.diff"]).ends(2).err.contains("64 lower-case hex digits"));
    let none = site.run(&["artifact", "put", "no-such-file"]).ends(3);
    assert!(none.err.contains("no-such-file"), "{}", none.err);
}
