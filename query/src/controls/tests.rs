//! What ships, by the spellings that people use and the evidence that they have.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use indelible_engine::Timestamp;
use indelible_engine::filter::{Matcher, Scratch, Subject};
use indelible_engine::source::{Fields, Profile, normalise_control, shipped};

use super::{Catalogue, Framework, Mapping, Strength};
use crate::vocabulary::Vocabulary;

#[test]
fn packs_have_ids_in_their_one_spelling_and_titles() {
    let catalogue = Catalogue::shipped().unwrap();
    let mut seen = BTreeSet::new();
    let mut counts = BTreeMap::new();
    for framework in catalogue.frameworks() {
        assert!(!framework.notice.is_empty() && !framework.edition.is_empty());
        for control in &framework.controls {
            assert_eq!(normalise_control(&control.id, None), control.id, "one spelling");
            assert!(control.id.starts_with(&format!("{}:", framework.name)));
            assert!(control.id.len() <= indelible_engine::limits::LABEL_LEN_MAX, "{} is a label", control.id);
            assert!(seen.insert(control.id.clone()), "{} is there twice", control.id);
            let title = &control.title;
            assert!(title.len() > 4 && title.len() < 100 && !title.ends_with('.'), "{}: {title}", control.id);
            assert_eq!(catalogue.find(&control.id), Some(control));
        }
        counts.insert(framework.name.as_str(), framework.controls.len());
    }
    let expected = [
        ("EU-AI-ACT", 322),
        ("HIPAA", 86),
        ("ISO27001", 97),
        ("NIST-AI-RMF", 95),
        ("PCI-DSS", 366),
        ("SOC2", 81),
    ];
    assert_eq!(counts, BTreeMap::from(expected));
}

#[test]
fn controls_are_known_in_the_spellings_that_people_use() {
    let catalogue = Catalogue::shipped().unwrap();
    for (id, spellings) in [
        (
            "SOC2:CC6.1",
            &["SOC2:CC6.1", "soc 2 cc6.1", "CC6.1", "cc_6_1", "TSC CC6.1", "SOC 2 (2017) CC6.1"][..],
        ),
        (
            "PCI-DSS:10.2.1.4",
            &["pci dss 10.2.1.4", "PCI DSS v4.0.1 Requirement 10.2.1.4", "PCI 4.0.1: 10.2.1.4", "10.2.1.4"],
        ),
        (
            "HIPAA:164.312(A)(2)(IV)",
            &[
                "HIPAA 164.312(a)(2)(iv)",
                "45 CFR 164.312(a)(2)(iv)",
                "45 CFR § 164.312(a)(2)(iv)",
                "hipaa:164_312_a_2_iv",
                "§164.312(a)(2)(iv)",
            ],
        ),
        ("HIPAA:164.312(A)(1)", &["164.312(a)(1)", "45 CFR 164.312(a)(1)"]),
        (
            "ISO27001:A.8.32",
            &["A.8.32", "ISO/IEC 27001:2022 A.8.32", "iso27001 annex a.8.32", "ISO 27001: a 8 32"],
        ),
        (
            "NIST-AI-RMF:GOVERN-1.1",
            &[
                "GOVERN 1.1",
                "NIST AI RMF GOVERN 1.1",
                "NIST AI RMF 1.0 GOVERN 1.1",
                "airmf: govern-1.1",
                "Govern 1.1",
            ],
        ),
        (
            "EU-AI-ACT:14(4)(D)",
            &[
                "EU AI Act Art. 14(4)(d)",
                "Article 14(4)(d)",
                "AI Act 14.4.d",
                "eu-ai-act:14(4)(d)",
                "Art 14 (4) d",
            ],
        ),
        ("EU-AI-ACT:ANNEX-III", &["EU AI Act Annex III", "Annex III", "eu ai act: annex_iii"]),
        ("EU-AI-ACT:14", &["Art. 14", "EU AI Act, Article 14"]),
    ] {
        for spelling in spellings {
            assert_eq!(catalogue.find(spelling).map(|control| control.id.as_str()), Some(id), "{spelling:?}");
        }
    }
    for other in ["", "12", "SOC2", "SOC2:CC99.1", "GDPR:32", "PCI-DSS:99.10.2", "nothing", "§", "Article"] {
        assert_eq!(catalogue.find(other), None, "{other:?}");
    }
    let near = |text| catalogue.nearest(text).map(|control| control.id.as_str());
    assert_eq!(near("SOC2:CC61"), Some("SOC2:CC6.1"));
    assert_eq!(near("NIST AI RMF: GOVRN 1.1"), Some("NIST-AI-RMF:GOVERN-1.1"));
    assert_eq!(near("cc6.11"), Some("SOC2:CC6.1"));
    assert_eq!(near("SOC3:CC6.1"), Some("SOC2:CC6.1"));
    assert_eq!(near("ACME:7"), None);
    assert_eq!(near("something else entirely"), None);
    assert_eq!(catalogue.framework("iso/iec 27001:2022").map(|known| known.name.as_str()), Some("ISO27001"));
    assert_eq!(catalogue.framework("ISO 9001"), None);
}

#[test]
fn parts_belong_to_the_nearest_whole() {
    let catalogue = Catalogue::shipped().unwrap();
    let parent = |id: &str| catalogue.find(id).unwrap().parent.as_deref();
    assert_eq!(parent("SOC2:CC6.1"), Some("SOC2:CC6"));
    assert_eq!(parent("SOC2:CC6"), None);
    assert_eq!(parent("PCI-DSS:10.2.1.4"), Some("PCI-DSS:10.2.1"));
    assert_eq!(parent("HIPAA:164.308(A)(1)(II)(D)"), Some("HIPAA:164.308(A)(1)"));
    assert_eq!(parent("NIST-AI-RMF:MEASURE-2.10"), Some("NIST-AI-RMF:MEASURE-2"));
    assert_eq!(parent("EU-AI-ACT:12(2)(A)"), Some("EU-AI-ACT:12(2)"));
    assert_eq!(catalogue.family("pci dss 10.2").len(), 10);
    assert_eq!(catalogue.family("CC8"), ["SOC2:CC8", "SOC2:CC8.1"]);
    assert!(catalogue.family("CC99").is_empty());
}

#[test]
fn a_pack_of_ones_own_stands_beside_those_that_ship_or_replaces_one() {
    let mut catalogue = Catalogue::shipped().unwrap();
    let house = r#"
        framework = "ACME-RULES"
        title = "House rules"
        edition = "7"
        version = "1"
        control = [{ id = "X 12", title = "No Friday deployments" }, { id = "x-12.a", title = "Nor on Saturday" }]
    "#;
    catalogue.add(Framework::parse(house).unwrap());
    assert_eq!(catalogue.find("acme rules: x_12").unwrap().title, "No Friday deployments");
    assert_eq!(catalogue.family("ACME_RULES:X12"), ["ACME-RULES:X-12", "ACME-RULES:X-12.A"]);
    let count = catalogue.frameworks().len();
    catalogue.add(Framework::parse(&house.replace("Friday", "Monday")).unwrap());
    assert_eq!(catalogue.frameworks().len(), count);
    assert_eq!(catalogue.find("ACME-RULES:X-12").unwrap().title, "No Monday deployments");
}

#[test]
fn what_is_no_pack_is_refused_and_told() {
    let pack = |framework: &str, controls: &str| {
        let text = format!(
            "framework = \"{framework}\"\ntitle = \"t\"\nedition = \"e\"\nversion = \"1\"\ncontrol = [{controls}]\n"
        );
        Framework::parse(&text).unwrap_err().to_string()
    };
    for (framework, controls, reason) in [
        ("soc 2", "", "is written SOC2"),
        ("X", r#"{ id = "1.1", title = "a" }, { id = "1(1)", title = "b" }"#, "two spellings"),
        ("X", r#"{ id = "X:1", title = "a" }"#, "without its framework"),
        ("X", r#"{ id = "..", title = "a" }"#, "is no id"),
        ("X", r#"{ id = "1", title = "a", parent = "2" }"#, "not there"),
        ("X", r#"{ id = "1", title = "a", parent = "1" }"#, "X:1 would be a part of itself"),
        (
            "X",
            r#"{ id = "1", title = "a" }, { id = "A", title = "b", parent = "B" }, { id = "B", title = "c", parent = "A" }"#,
            "would be a part of itself",
        ),
        ("X", r#"{ id = "1" }"#, "title"),
    ] {
        let error = pack(framework, controls);
        assert!(error.contains(reason), "{controls}: {error}");
    }
}

/// Real events with the profile that reads them.
fn samples() -> Vec<(Profile, Vec<String>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let files = [
        ("evidence", "examples/data/evidence.jsonl"),
        ("evidence", "query/testdata/sample.jsonl"),
        ("evidence", "query/testdata/mapping.jsonl"),
        ("claude-code", "examples/data/claude-code.jsonl"),
        ("codex", "examples/data/codex.jsonl"),
        ("cloudtrail", "examples/data/cloudtrail.jsonl"),
        ("kubernetes-audit", "examples/data/kubernetes.jsonl"),
    ];
    let read = |(name, file): (&str, &str)| {
        let text = shipped().iter().find(|profile| profile.name == name).expect("a profile").text;
        let events = std::fs::read_to_string(root.join(file)).expect(file);
        (Profile::parse(text).unwrap(), events.lines().map(str::to_owned).collect())
    };
    files.into_iter().map(read).collect()
}

/// Calls `look` with each event of the samples.
fn each_sample(mut look: impl FnMut(&Subject<'_>)) {
    let mut fields = Fields::default();
    for (source, (profile, events)) in (1..).zip(samples()) {
        for event in events {
            profile.extract(event.as_bytes(), &mut fields).expect("an event");
            look(&Subject {
                seq: 1,
                received_at: Timestamp(0),
                source,
                encoding: 0,
                labels: Default::default(),
                body: event.as_bytes(),
                profile: &profile,
                fields: &fields,
            });
        }
    }
}

#[test]
fn each_rule_that_ships_finds_evidence_in_the_samples() {
    let mapping = Mapping::shipped().unwrap();
    let mut found = vec![0; mapping.rules.len()];
    let mut scratch: Vec<Scratch> = mapping.rules.iter().map(|_| Scratch::default()).collect();
    let matchers: Vec<Matcher> =
        mapping.rules.iter().map(|rule| Matcher::new(&rule.filter).unwrap()).collect();
    let mut count = 0;
    each_sample(|event| {
        count += 1;
        for ((matcher, scratch), found) in matchers.iter().zip(&mut scratch).zip(&mut found) {
            *found += u32::from(matcher.matches(event, scratch).unwrap());
        }
    });
    for (rule, found) in mapping.rules.iter().zip(found) {
        assert!(found > 0, "no sample is evidence by the rule {} ({})", rule.name, rule.when);
        assert!(found < count, "every sample is evidence by the rule {}", rule.name);
    }
}

#[test]
fn the_mapping_says_what_is_evidence_of_what_and_why() {
    let (catalogue, mapping) = (Catalogue::shipped().unwrap(), Mapping::shipped().unwrap());
    for (control, strength, name) in [
        ("CC6.1", Strength::Direct, "access decisions"),
        ("GOVERN 1.1", Strength::Supporting, "access decisions"),
        ("EU AI Act Art. 13", Strength::Supporting, "access decisions"),
        ("CC8.1", Strength::Direct, "code changes"),
        ("MAP 1.5", Strength::Supporting, "code changes"),
        ("EU AI Act Art. 9", Strength::Supporting, "code changes"),
        ("CC6.2", Strength::Supporting, "model selection"),
        ("GOVERN 1.4", Strength::Supporting, "model selection"),
        ("EU AI Act Art. 11", Strength::Supporting, "model selection"),
        ("CC4.1", Strength::Supporting, "approvals"),
        ("MEASURE 2.6", Strength::Supporting, "approvals"),
        ("EU AI Act Art. 14", Strength::Direct, "approvals"),
        ("CC7.1", Strength::Supporting, "deployments"),
        ("MANAGE 2.2", Strength::Supporting, "deployments"),
        ("EU AI Act Art. 12", Strength::Supporting, "deployments"),
        ("PCI DSS 10.2", Strength::Direct, "access decisions"),
        ("PCI DSS 6.2.3", Strength::Direct, "change review"),
        ("PCI DSS 6.5.1", Strength::Direct, "change review"),
        ("HIPAA 164.312", Strength::Direct, "health information"),
        ("A.8.32", Strength::Direct, "code changes"),
    ] {
        let family = catalogue.family(control);
        let rules: Vec<_> =
            mapping.rules_for(&family).map(|rule| (rule.name.as_str(), rule.strength)).collect();
        assert!(rules.contains(&(name, strength)), "{control}: {rules:?}");
    }
    let mut approvals = 0;
    each_sample(|event| {
        let why = mapping.why(&catalogue.family("Art. 14"), event).unwrap();
        approvals += usize::from(why.iter().any(|rule| rule.name == "approvals"));
    });
    assert!(approvals > 3, "{approvals}");
}

#[test]
fn evidence_of_a_part_is_evidence_of_the_whole_and_not_the_other_way_round() {
    let catalogue = Catalogue::shipped().unwrap();
    let text = r#"
        name = "mine"
        version = "3"
        rule = [
          { name = "a", when = "kind = a", controls = ["CC6.1"], strength = "direct", reason = "r" },
          { name = "b", when = "kind = b", controls = ["CC6"], strength = "direct", reason = "r" },
          { name = "c", when = "kind = a", controls = ["CC6.2"], strength = "direct", reason = "r" },
        ]
    "#;
    let mapping = Mapping::parse(text, &catalogue, &Vocabulary::default()).unwrap();
    let rules = |id: &str| -> Vec<&str> {
        mapping.rules_for(&catalogue.family(id)).map(|rule| rule.name.as_str()).collect()
    };
    assert_eq!(rules("CC6.1"), ["a"]);
    assert_eq!(rules("CC6"), ["a", "b", "c"]);
    assert!(rules("CC7").is_empty());
}

#[test]
fn what_is_no_mapping_is_refused_and_told() {
    let catalogue = Catalogue::shipped().unwrap();
    let mapping = |rule: &str| {
        let text =
            format!("name = \"m\"\nversion = \"1\"\n[[rule]]\nname = \"r\"\nstrength = \"direct\"\n{rule}\n");
        Mapping::parse(&text, &catalogue, &Vocabulary::default()).unwrap_err().to_string()
    };
    for (rule, reason) in [
        ("when = \"kind = a\"\ncontrols = [\"CC6.11\"]\nreason = \"x\"", "did you mean SOC2:CC6.1?"),
        ("when = \"kind = a\"\ncontrols = []\nreason = \"x\"", "controls and a reason"),
        ("when = \"kind = a since 24h\"\ncontrols = [\"CC6.1\"]\nreason = \"x\"", "rule 1 (r)"),
        ("when = \"kind = a since 24h\"\ncontrols = [\"CC6.1\"]\nreason = \"x\"", "count back"),
        ("when = \"kind = \"\ncontrols = [\"CC6.1\"]\nreason = \"x\"", "^"),
        ("when = \"kind = a\"\ncontrols = [\"CC6.1\"]", "reason"),
    ] {
        let error = mapping(rule);
        assert!(error.contains(reason), "{rule}: {error}");
    }
}
