//! The rooms of the engine stand in an order, and each uses only those before it.

use std::collections::BTreeSet;

use super::{Text, none, rust};

/// The rooms, each after those that it may use. `docs/ARCHITECTURE.md` says what they are for.
const ORDER: [&str; 20] = [
    "error",
    "limits",
    "id",
    "hash",
    "merkle",
    "trust",
    "format",
    "disk",
    "witness",
    "source",
    "filter",
    "index",
    "segment",
    "log",
    "answer",
    "artifact",
    "retention",
    "bundle",
    "verify",
    "store",
];

/// Rooms that know each other, by intent: the errors name what went wrong in terms of ids and hashes.
const TOGETHER: [&str; 3] = ["error", "limits", "id"];

/// What goes against the order all the same: a file, and the one item that it may name. Keep this short.
const EXCEPTIONS: [(&str, &str); 0] = [];

/// Files that are compiled for tests alone may look anywhere.
fn is_test(path: &str) -> bool {
    path.ends_with("tests.rs") || path.contains("/tests/")
}

fn place(room: &str) -> Option<usize> {
    ORDER.iter().position(|name| *name == room)
}

/// The room of a file below `engine/src/`; none for `lib.rs`, which is the front of the house.
fn room_of(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("engine/src/")?;
    let room = inside.split('/').next()?;
    let room = room.strip_suffix(".rs").unwrap_or(room);
    (room != "lib").then_some(room)
}

/// What a file names of its own crate, as `room` or `room::item`. Names that stand at the crate's root are found
/// under their room.
fn named(text: &str) -> BTreeSet<String> {
    let code: String =
        text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let code = code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let mut found = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        if let Some(list) = rest.strip_prefix('{') {
            for item in list.split('}').next().unwrap_or_default().split(',') {
                found.insert(path_at_root(item.trim()));
            }
        } else {
            found.insert(path_at_root(rest));
        }
    }
    found
}

/// `room::item` of a path behind `crate::`.
fn path_at_root(path: &str) -> String {
    let end = path.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(path.len());
    let mut parts = path[..end].split("::").filter(|part| !part.is_empty());
    let first = parts.next().unwrap_or_default();
    let room = match first {
        "Class" | "Error" | "Fault" | "Result" => return format!("error::{first}"),
        "Origin" | "SegmentId" | "Seq" | "StoreId" | "Timestamp" => return format!("id::{first}"),
        room => room,
    };
    parts.last().map_or_else(|| room.to_owned(), |item| format!("{room}::{item}"))
}

/// What a file names against the order.
fn upward(path: &str, text: &str) -> Vec<String> {
    let Some(own) = room_of(path) else { return Vec::new() };
    let Some(own_place) = place(own) else { return vec![format!("{path}: `{own}` is no room of the order")] };
    named(text)
        .into_iter()
        .filter(|name| {
            let room = name.split("::").next().unwrap_or_default();
            let together = TOGETHER.contains(&own) && TOGETHER.contains(&room);
            let excepted = EXCEPTIONS.contains(&(path, name.as_str()));
            !together && !excepted && place(room).is_none_or(|place| place > own_place)
        })
        .map(|name| format!("{path} names {name}"))
        .collect()
}

#[test]
fn each_room_uses_only_those_before_it() {
    let complaints: Vec<_> = rust()
        .iter()
        .filter(|Text { path, .. }| !is_test(path))
        .flat_map(|Text { path, text }| upward(path, text))
        .collect();
    none("against the order of the rooms", &complaints);
}

/// The verifiers, of stores and of bundles, share nothing with the writer that could hide the writer's mistakes.
#[test]
fn the_verifiers_do_not_use_the_writer() {
    let complaints: Vec<_> = rust()
        .iter()
        .filter(|text| ["verify", "bundle"].map(Some).contains(&room_of(&text.path)) && !is_test(&text.path))
        .flat_map(|text| named(&text.text).into_iter().map(|name| (text.path.clone(), name)))
        .filter(|(_, name)| {
            ["index", "segment", "log", "answer", "store"]
                .contains(&name.split("::").next().unwrap_or_default())
        })
        .map(|(path, name)| format!("{path} names {name}"))
        .collect();
    none("a verifier uses the writer's code", &complaints);
}

#[test]
fn no_exception_outlives_its_need() {
    let files = rust();
    let stale: Vec<_> = EXCEPTIONS
        .iter()
        .filter(|(path, name)| {
            !files.iter().any(|text| text.path == *path && named(&text.text).contains(*name))
        })
        .map(|(path, name)| format!("{path} does not name {name} any more"))
        .collect();
    none("remove these exceptions", &stale);
}

#[test]
fn the_rules_ring() {
    let up = "use crate::hash::Hash;\nuse crate::store::Prepared;\nuse crate::{Error, disk::World};\n";
    assert_eq!(
        upward("engine/src/format/frame.rs", up),
        ["engine/src/format/frame.rs names disk::World", "engine/src/format/frame.rs names store::Prepared"]
    );
    assert_eq!(upward("engine/src/store/mod.rs", up), Vec::<String>::new());
    assert_eq!(upward("engine/src/lib.rs", up), Vec::<String>::new());
    assert_eq!(upward("engine/src/id.rs", "use crate::{Error, limits};"), Vec::<String>::new());
    assert_eq!(upward("engine/src/hash.rs", "// crate::store is not named here"), Vec::<String>::new());
    assert_eq!(upward("engine/src/attic/mod.rs", "").len(), 1);
}
