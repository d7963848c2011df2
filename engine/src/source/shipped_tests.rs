//! Each shipped profile on real events: how many have each field, and what the odd ones hold.

use std::fmt::Write as _;
use std::path::Path;

use super::*;

fn read(file: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/sources").join(file)).unwrap()
}

fn profile(name: &str) -> Profile {
    Profile::parse(shipped().iter().find(|profile| profile.name == name).unwrap().text).unwrap()
}

fn events<'a>(profile: &Profile, file: &'a [u8]) -> Vec<&'a [u8]> {
    let lines = file.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    lines.flat_map(|line| profile.split(line).unwrap()).collect()
}

/// Of each field: how many events have it, how many distinct values there are, and in how many it is unreadable.
fn survey(name: &str, files: &[&str]) -> String {
    let profile = profile(name);
    let files: Vec<_> = files.iter().map(|file| read(file)).collect();
    let events: Vec<_> = files.iter().flat_map(|file| events(&profile, file)).collect();
    let mut counts = vec![(0, std::collections::BTreeSet::new(), 0); profile.fields().len()];
    for event in &events {
        for (count, field) in counts.iter_mut().zip(profile.inspect(event).unwrap()) {
            count.0 += usize::from(!field.values.is_empty());
            count.1.extend(field.values);
            count.2 += usize::from(field.unreadable.is_some());
        }
    }
    let mut text = format!("{} events:", events.len());
    for (field, (present, distinct, unreadable)) in profile.fields().iter().zip(counts) {
        let _ = write!(text, " {} {present}/{}", field.name, distinct.len());
        if unreadable > 0 {
            let _ = write!(text, "!{unreadable}");
        }
    }
    text
}

#[test]
fn claude_code_sessions_and_sub_agents() {
    assert_eq!(
        survey(
            "claude-code",
            &["claude-code/short.jsonl", "claude-code/tool_heavy.jsonl", "claude-code/sub-agent.jsonl"]
        ),
        "58 events: event_id 52/52 ts 58/49 run 54/4 parent_run 4/1 agent 4/1 actor 52/3 kind 58/6 subkind 45/8 \
         model 15/1 response 15/6 request 15/6 parent_event 56/45 tool 21/9 tool_use 29/10 tool_error 4/2 file 1/1 \
         status 15/1 policy 3/1 environment 52/2 branch 52/2 client_version 52/2 tokens_in 15/3 tokens_out 15/7 \
         tokens_cached 15/6"
    );
    // A sub-agent's lines belong to its own run and to its session's, and name the session as their parent.
    let profile = profile("claude-code");
    let file = read("claude-code/sub-agent.jsonl");
    for event in events(&profile, &file) {
        let found = super::tests::found(&profile, std::str::from_utf8(event).unwrap());
        let of = |name: &str| found.iter().find(|field| field.0 == name).map(|field| field.1.clone());
        let session = "258c7280-ae70-4798-800f-63464d01a85d".to_owned();
        let agent = "acompact-fffbd0".to_owned();
        let mut run = of("run").unwrap();
        run.sort();
        assert_eq!(run, [session.clone(), agent.clone()]);
        assert_eq!((of("parent_run"), of("agent")), (Some(vec![session]), Some(vec![agent])));
    }
}

#[test]
fn codex_rollouts_of_many_versions() {
    // Upstream put text in place of most times of one file: those are unreadable, not absent. Two statuses are
    // objects.
    assert_eq!(
        survey("codex", &["codex/versions.jsonl", "codex/kinds.jsonl", "codex/schema_drift.jsonl"]),
        "135 events: ts 50/24!85 run 28/6 parent_run 3/1 child_run 3/1 agent 3/1 actor 7/4 kind 133/50 \
         record_type 133/9 turn 52/2 tool 14/4 tool_use 32/7 item 33/11 model 11/9 status 23/2!2 exit_code 5/1 \
         policy 9/2 sandbox 8/3 environment 23/3 commit 4/2 branch 4/2 client_version 11/6 tokens_in 8/7 \
         tokens_out 8/7 tokens_cached 7/6"
    );
}

#[test]
fn cloudtrail_by_the_line_and_by_the_file() {
    assert_eq!(
        survey("cloudtrail", &["cloudtrail/events.ndjson", "cloudtrail/records.json"]),
        "37 events: event_id 37/37 ts 37/31 tenant 37/1 actor 37/6 actor_type 36/3 user 35/4 role 3/2 \
         invoked_by 18/4 credential 35/23 mfa 35/2 kind 37/20 event_type 37/2 category 37/1 service 37/7 \
         environment 37/1 read_only 37/2 status 4/2 request 37/37 shared_event 1/1 artifact 16/5 address 37/7 \
         client 37/7 vpc_endpoint 7/3"
    );
    let profile = profile("cloudtrail");
    let file = read("cloudtrail/records.json");
    let inside = profile.split(&file).unwrap();
    assert_eq!(inside.len(), 2);
    let rebuilt = [b"{\"Records\":[", inside[0], b",", inside[1], b"]}"].concat();
    assert_eq!(rebuilt, file.trim_ascii_end(), "the events of a file are its own bytes");
}

#[test]
fn kubernetes_audit_log() {
    assert_eq!(
        survey("kubernetes-audit", &["kubernetes-audit/demo.jsonl"]),
        "37 events: event_id 37/37 request 37/37 stage 37/1 ts 37/14 kind 37/2 actor 37/1 group 37/2 impersonated 37/3 \
         decision 0/0 rule 0/0 status 37/2 reason 11/1 environment 10/2 resource 14/4 subresource 0/0 api_group 0/0 \
         artifact 0/0 uri 37/32 address 37/1 client 0/0 level 37/1"
    );
    // What newer servers write, which that log is too old for.
    let event = r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","auditID":"a","stage":"ResponseComplete",
        "verb":"create","user":{"username":"u","groups":["g1","g2"]},"objectRef":{"resource":"pods",
        "namespace":"prod","name":"web-1","subresource":"exec"},"responseStatus":{"metadata":{},"code":201},
        "requestReceivedTimestamp":"2026-02-10T17:24:23.000001Z","stageTimestamp":"2026-02-10T17:24:23.000002Z",
        "annotations":{"authorization.k8s.io/decision":"allow","authorization.k8s.io/reason":"RBAC: x"}}"#;
    let found = super::tests::found(&profile("kubernetes-audit"), event);
    let of = |name: &str| found.iter().find(|field| field.0 == name).map(|field| field.1.join("+"));
    for (name, value) in [
        ("event_id", "a/ResponseComplete"),
        ("ts", "2026-02-10T17:24:23.000002Z"),
        ("decision", "allow"),
        ("rule", "RBAC: x"),
        ("group", "g1+g2"),
        ("artifact", "web-1"),
        ("status", "201"),
        ("kind", "create"),
    ] {
        assert_eq!(of(name).as_deref(), Some(value), "{name}");
    }
}

/// What a profile finds in an event, or why it refuses it.
fn extracted(profile: &Profile, event: &[u8]) -> Result<Fields, String> {
    let mut fields = Fields::default();
    profile.extract(event, &mut fields).map(|()| fields).map_err(|error| error.to_string())
}

/// A thread of its own has seen no event before.
fn extracted_afresh(profile: &Profile, event: &[u8]) -> Result<Fields, String> {
    std::thread::scope(|scope| scope.spawn(|| extracted(profile, event)).join().unwrap())
}

#[test]
fn events_that_came_before_change_nothing_of_what_is_found() {
    let files = [
        ("claude-code", "claude-code/tool_heavy.jsonl"),
        ("codex", "codex/versions.jsonl"),
        ("cloudtrail", "cloudtrail/events.ndjson"),
        ("kubernetes-audit", "kubernetes-audit/demo.jsonl"),
    ];
    let mut state = 7_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below.max(1)
    };
    let mut refused = 0;
    for (name, file) in files {
        let (profile, file) = (profile(name), read(file));
        let events: Vec<&[u8]> = events(&profile, &file).into_iter().filter(|e| e.len() < 20_000).collect();
        for round in 0..500 {
            let mut event = events[random(events.len())].to_vec();
            // Some as they are, some with a byte or a stretch that is other, missing or there twice.
            let (at, len) = (random(event.len()), 1 + random(30));
            let end = event.len().min(at + len);
            match round % 5 {
                0 => event[at] = b"\"\\{}[]:,0a \n\xFF"[random(13)],
                1 => drop(event.drain(at..end)),
                2 => {
                    let other = events[random(events.len())];
                    let from = random(other.len());
                    let stretch = other[from..other.len().min(from + len)].to_vec();
                    event.splice(at..end, stretch);
                }
                3 => {
                    let stretch = event[at..end].to_vec();
                    event.splice(at..at, stretch);
                }
                _ => {}
            }
            let found = extracted(&profile, &event);
            refused += usize::from(found.is_err());
            assert_eq!(found, extracted_afresh(&profile, &event), "{}", String::from_utf8_lossy(&event));
        }
    }
    assert!((200..1900).contains(&refused), "{refused} of 2000 were refused");
}
