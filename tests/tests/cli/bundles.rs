//! Answers that travel with their evidence: made from a store, checked without it, and refused once altered.

use indelible_tests::scenario::Scenario;

use super::Site;

/// The end of the scenario's time.
const NOW: &str = "2026-05-01";

/// A store of generated evidence in four segments, the last one open, and its verifier key.
fn site() -> (Site, Scenario, String) {
    let site = Site::new();
    let key = site.run(&["init", "--origin", "acme.example/bundles"]).ends(0).text().trim().to_owned();
    let scenario = Scenario::new(20_260_501, 120);
    let part = scenario.events.len() / 4 + 1;
    for (number, events) in scenario.events.chunks(part).enumerate() {
        if number > 0 {
            site.run(&["seal"]).ends(0);
        }
        site.feed(&["append"], (events.join("\n") + "\n").as_bytes()).ends(0);
    }
    (site, scenario, key)
}

/// Every query that docs/QUERY.md gives under a question of auditors.
fn documented() -> Vec<String> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/QUERY.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, questions) = page.split_once("\n## Questions\n").unwrap();
    let blocks = questions.split("```text\n").skip(1);
    blocks.map(|block| block.split_once("\n```").unwrap().0.to_owned()).collect()
}

/// Values for the parameters that a question has.
fn parameters(scenario: &Scenario, text: &str) -> Vec<String> {
    let truth = &scenario.truth;
    let (agent, resource) = truth.access.keys().next().unwrap();
    let run = truth.approvals.keys().next().unwrap().split('-').next().unwrap();
    let id = truth.denials.keys().next().unwrap();
    let values = [("agent", agent.as_str()), ("resource", resource), ("run", run), ("id", id)];
    let asked = values.into_iter().filter(|(name, _)| text.contains(&format!("${name}")));
    asked.flat_map(|(name, value)| ["--param".to_owned(), format!("{name}={value}")]).collect()
}

#[test]
fn each_question_of_an_auditor_is_answered_with_its_evidence() {
    let (site, scenario, key) = site();
    let questions = documented();
    assert!(questions.len() > 15);
    let mut answers = Vec::new();
    for (number, text) in questions.iter().enumerate() {
        let bundle = format!("{number}.zip");
        let parameters = parameters(&scenario, text);
        let words: Vec<&str> =
            [text.as_str(), "--now", NOW].into_iter().chain(parameters.iter().map(String::as_str)).collect();
        let made =
            site.run(&[&["export", "-o", &bundle, "--json"], words.as_slice()].concat()).ends(0).json();
        assert_eq!(made["file"], bundle.as_str());
        let told = site.run(&["verify-bundle", &bundle, "--key", &key, "--json"]).ends(0).json();
        assert_eq!(told, made["verdict"], "{text}");
        let answer = site.run(&[&["query", "--format", "jsonl"], words.as_slice()].concat()).ends(0).text();
        assert_eq!(told["rows"], answer.lines().count(), "{text}");
        answers.push((bundle, answer));
    }
    // Whoever checks has neither the store nor the keys' folder.
    std::fs::remove_dir_all(site.path("evidence")).unwrap();
    for (bundle, answer) in answers {
        let checked = site.run(&["verify-bundle", &bundle, "--key", &key, "--answer"]).ends(0);
        assert_eq!(checked.text(), answer, "{bundle}");
    }
}

#[test]
fn the_same_question_gives_the_same_file_and_no_other_file_is_written_over() {
    let (site, _, key) = site();
    let question = "decision = DENY since 30d | count by agent, rule";
    let note = site.run(&["checkpoint"]).ends(0);
    site.write("may.checkpoint", note.out);
    let export = |question: &str, more: &[&str]| {
        site.run(&[&["export", question, "--now", NOW, "--checkpoint", "may.checkpoint"], more].concat())
    };
    export(question, &["-o", "one.zip"]).ends(0);
    site.feed(
        &["append"],
        b"{\"kind\":\"late\",\"policy\":{\"decision\":\"DENY\"},\"ts\":\"2026-04-30T00:00:00Z\"}\n",
    )
    .ends(0);
    export(question, &["-o", "two.zip"]).ends(0);
    let read = |name: &str| std::fs::read(site.path(name)).unwrap();
    assert!(read("one.zip") == read("two.zip"));
    // The same is there: nothing to do.
    let told = export(question, &["-o", "one.zip"]).ends(0);
    assert!(told.err.contains("came after the checkpoint"), "{}", told.err);
    let refused = export("decision = DENY", &["-o", "one.zip"]).ends(2);
    assert!(refused.err.contains("--force"), "{}", refused.err);
    assert!(read("one.zip") == read("two.zip"));
    export("decision = DENY", &["-o", "one.zip", "--force"]).ends(0);
    assert!(read("one.zip") != read("two.zip"));
    // Nothing is left lying about.
    let names = std::fs::read_dir(site.dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(!names.into_iter().any(|name| name.to_string_lossy().contains("unfinished")));

    for (expected, code) in [("may.checkpoint", 0), ("june.checkpoint", 13)] {
        if code > 0 {
            let note = site.run(&["checkpoint"]).ends(0);
            site.write(expected, note.out);
        }
        site.run(&["verify-bundle", "one.zip", "--key", &key, "--expect", expected]).ends(code);
    }
    site.run(&["export", question, "-o", "new.zip"]).ends(0);
    let older = site.run(&["verify-bundle", "new.zip", "--key", &key, "--expect", "may.checkpoint"]).ends(14);
    assert!(older.err.contains("--extends"), "{}", older.err);
    // The proof comes with the bundle, or beside it.
    let proof = site.run(&["prove", "--consistency", "may.checkpoint"]).ends(0);
    site.write("grown.proof", proof.out);
    let expect = ["--key", &key, "--expect", "may.checkpoint", "--json"];
    let beside = ["verify-bundle", "new.zip", "--consistency", "grown.proof"];
    let told = site.run(&[&beside[..], &expect].concat()).ends(0).json();
    let may = told["continues"].as_u64().unwrap();
    assert!(may < told["tree_size"].as_u64().unwrap());
    site.run(&["export", question, "--extends", "may.checkpoint", "-o", "grown.zip"]).ends(0);
    let told = site.run(&[&["verify-bundle", "grown.zip"], &expect[..]].concat()).ends(0).json();
    assert_eq!(told["continues"], may);
    let text =
        site.run(&["verify-bundle", "grown.zip", "--key", &key, "--expect", "may.checkpoint"]).ends(0).text();
    assert!(text.contains(&format!("continues  the checkpoint of {may} records")), "{text}");
    site.write("torn.proof", "old 3\nAAAA\n\n");
    let torn = ["verify-bundle", "new.zip", "--consistency", "torn.proof"];
    site.run(&[&torn[..], &expect].concat()).ends(10);
    site.run(&[
        "export",
        question,
        "--extends",
        "june.checkpoint",
        "--checkpoint",
        "may.checkpoint",
        "-o",
        "x.zip",
    ])
    .ends(2);
}

#[test]
fn a_sample_is_drawn_by_the_seed_of_who_doubts_the_index() {
    let (site, _, key) = site();
    let asked = ["export", "decision = DENY", "--now", NOW, "--challenge", "dice 4 2 6", "-o", "dice.zip"];
    let made = site.run(&[&asked[..], &["--sample", "5", "--seal", "--json"]].concat()).ends(0).json();
    assert_eq!(made["verdict"]["challenge"]["is_asked"], false);
    let verify = ["verify-bundle", "dice.zip", "--key", &key];
    let with = |more: &[&str]| site.run(&[&verify[..], more].concat());
    let told = with(&["--challenge", "dice 4 2 6", "--sample", "5", "--json"]).ends(0).json();
    let sample = &told["challenge"];
    assert_eq!((&sample["records"], &sample["is_asked"]), (&5.into(), &true.into()));
    assert_eq!(sample["of"].as_u64().unwrap() + 1, told["tree_size"].as_u64().unwrap());
    let text = with(&["--challenge", "dice 4 2 6"]).ends(0).text();
    assert!(text.contains("1-(1-f)^5: 40.9 % for one in 10"), "{text}");
    assert!(with(&[]).ends(0).text().contains("the bundle's own word"));
    let refused = with(&["--challenge", "dice 1 1 1"]).ends(14);
    assert!(refused.err.contains("is drawn by the seed"), "{}", refused.err);
    with(&["--challenge", "dice 4 2 6", "--sample", "6"]).ends(14);
    site.run(&["export", "decision = DENY", "-o", "plain.zip"]).ends(0);
    site.run(&["verify-bundle", "plain.zip", "--key", &key, "--challenge", "x"]).ends(14);
    site.run(&[&asked[..], &["--sample", "0"]].concat()).ends(2);
}

#[test]
fn a_sealed_log_discloses_no_more_than_it_is_asked_for() {
    let (site, scenario, key) = site();
    let run = scenario.truth.runs.keys().next().unwrap();
    let timeline = format!("timeline run {run}");
    site.run(&["export", &timeline, "-o", "run.zip", "--seal"]).ends(0);
    let told = site.run(&["verify-bundle", "run.zip", "--key", &key, "--json"]).ends(0).json();
    assert_eq!(told["grade"], "committed");
    assert_eq!((&told["tail"], &told["segments"]), (&1.into(), &4.into()));
    // The run's events, and of the store's own records those that the check needs.
    let of_run = scenario.truth.runs[run].len() as u64;
    assert_eq!(told["rows"], of_run);
    assert!(told["records"].as_u64().unwrap() < of_run + 12, "{told}");
    let text = site.run(&["verify-bundle", "run.zip", "--key", &key]).ends(0).text();
    assert!(text.contains("nothing can prove what was never appended"), "{text}");
    site.run(&["export", "exists(kind)", "-o", "all.zip"]).ends(0);
    let told = site.run(&["verify-bundle", "all.zip", "--key", &key, "--json"]).ends(0).json();
    assert_eq!(told["rows"], scenario.events.len());
}

#[test]
fn what_was_altered_is_refused() {
    let (site, _, key) = site();
    site.run(&["export", "decision = DENY | limit 3", "-o", "denied.zip", "--now", NOW]).ends(0);
    let bundle = std::fs::read(site.path("denied.zip")).unwrap();
    let verify = |bytes: &[u8], key: &str| {
        site.write("altered.zip", bytes);
        site.run(&["verify-bundle", "altered.zip", "--key", key])
    };
    verify(&bundle, &key).ends(0);
    verify(&bundle[..bundle.len() / 2], &key).ends(10);
    verify(b"PK", &key).ends(10);
    verify(b"", &key).ends(10);
    let at = bundle.len() / 3;
    let mut flipped = bundle.clone();
    flipped[at] ^= 1;
    verify(&flipped, &key).ends(10);
    let other = Site::new();
    let foreign = other.run(&["init", "--origin", "acme.example/bundles"]).ends(0).text();
    verify(&bundle, foreign.trim()).ends(12);
    site.run(&["verify-bundle", "missing.zip", "--key", &key]).ends(3);
    for (args, reason) in [
        (&["export", "explain kind = x", "-o", "x.zip"][..], "leave `explain` out"),
        (&["export", "kind = $kind", "-o", "x.zip"], "no value"),
        (&["export", "kind = ", "-o", "x.zip"], "expected"),
    ] {
        let refused = site.run(args).ends(2);
        assert!(refused.err.contains(reason), "{args:?}: {}", refused.err);
        assert!(!site.path("x.zip").exists());
    }
}

/// The key of RFC 8410, section 10.3: some auditor's.
const AUDITOR: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
    -----END PRIVATE KEY-----\n";

#[test]
fn an_auditor_who_built_the_indexes_anew_raises_what_a_bundle_is_good_for() {
    let (site, _, key) = site();
    site.run(&["export", "decision = DENY", "-o", "denials.zip", "--seal", "--now", NOW]).ends(0);
    let verify = ["verify-bundle", "denials.zip", "--key", &key, "--json"];
    assert_eq!(site.run(&verify).ends(0).json()["grade"], "committed");

    let import = ["key", "import", "-", "--name", "auditor.example/x", "--signing-key", "auditor.key"];
    let auditor = site.feed(&import, AUDITOR.as_bytes()).ends(0).text().trim().to_owned();
    let audit = ["audit-index", "--key", "auditor.key", "--log-key", &key, "-o", "audits", "--json"];
    let signed = site.run(&audit).ends(0).json();
    let note = signed["file"].as_str().unwrap();
    assert_eq!(signed["segments"], 4);
    assert!(site.run(&audit).ends(2).err.contains(note), "a note is never written over");
    let audited = site.run(&[&verify[..], &["--audit", note, "--auditor", &auditor]].concat()).ends(0).json();
    assert_eq!((&audited["grade"], &audited["audited"]), (&"audited".into(), &4.into()));
    assert_eq!(audited["auditors"][0], auditor.as_str());
    site.run(&[&verify[..], &["--audit", note, "--auditor", &key]].concat()).ends(12);

    let own = site.run(&["key", "show", "--json"]).ends(0).json();
    let own = own["signing_key_file"].as_str().unwrap();
    assert!(
        site.run(&["audit-index", "--key", own, "-o", "own"]).ends(2).err.contains("cannot audit himself")
    );
    // Of a store that is not as it should be, nothing is signed.
    let log = site.path("evidence/log/00000000000000000000.log");
    let mut bytes = std::fs::read(&log).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&log, bytes).unwrap();
    site.run(&["audit-index", "--key", "auditor.key", "-o", "wrong"]).ends(10);
    assert!(!site.path("wrong").exists());
}
