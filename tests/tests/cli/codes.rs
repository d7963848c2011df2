//! Each exit code, and what does not get code 0.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use indelible_engine::format::frame::{self, FRAME_HEADER_LEN};
use indelible_engine::format::log_header::LOG_HEADER_LEN;

use super::{Run, Site, binary, events, feed};

#[test]
fn usage_errors_are_2() {
    let site = Site::with_store();
    for args in [
        &["nonsense"][..],
        &[],
        &["append", "--on-error", "panic"],
        &["append", "--quarantine"],
        &["init"],
        &["init", "x", "--origin", "has space"],
        &["show"],
        &["show", "9..3"],
        &["log", "-n", "many"],
        &["append", "--source", "nothing"],
        &["append", "--source", "missing/profile.toml"],
        &["verify", "--quick", "--full"],
        &["checkpoint", "--every", "3"],
    ] {
        let run = site.run(args);
        let expected = if args.contains(&"missing/profile.toml") { 3 } else { 2 };
        let run = run.ends(expected);
        assert!(run.out.is_empty() && !run.err.is_empty(), "{args:?}");
    }
}

#[test]
fn help_and_version_are_0_and_go_to_stdout() {
    let site = Site::new();
    for args in [&["--help"][..], &["--version"], &["append", "--help"], &["help", "verify"]] {
        let run = site.run(args).ends(0);
        assert!(!run.out.is_empty() && run.err.is_empty(), "{args:?}");
    }
}

#[test]
fn what_is_no_store_is_told_by_every_command() {
    let site = Site::new();
    std::fs::create_dir(site.path("evidence")).unwrap();
    site.write("evidence/notes.txt", "mine");
    for args in [
        &["append"][..],
        &["log"],
        &["show", "0"],
        &["seal"],
        &["checkpoint"],
        &["stats"],
        &["doctor"],
        &["verify"],
        &["backup", "copy"],
        &["recover"],
    ] {
        let run = site.feed(args, b"{}\n");
        assert_ne!(run.code, Some(0), "{args:?}");
        assert!(run.err.contains("evidence"), "{args:?}: {}", run.err);
        assert_eq!(std::fs::read_dir(site.path("evidence")).unwrap().count(), 1, "{args:?} left something");
    }
    site.feed(&["record"], b"{}").ends(2);
    // A file, and nothing at all.
    site.write("file", "");
    for (store, words) in [("file", "it is a file"), ("nowhere", "there is no such directory")] {
        for command in ["log", "seal", "verify", "recover"] {
            let run = site.run(&["-C", store, command]).ends(2);
            assert!(run.err.contains(words), "{store} {command}: {}", run.err);
        }
    }
}

#[test]
fn damage_is_10() {
    let site = Site::with_events(100);
    site.run(&["seal"]).ends(0);
    let log = site.path("evidence/log/00000000000000000000.log");
    let mut bytes = std::fs::read(&log).unwrap();
    let at = bytes.windows(5).position(|part| part == b"ev_50").unwrap();
    bytes[at] ^= 1;
    std::fs::write(&log, bytes).unwrap();
    let found = site.run(&["verify", "--json"]).ends(10).json();
    assert_eq!(found["class"], "damaged");
    let finding = &found["findings"][0];
    assert!(finding["file"].as_str().unwrap().ends_with(".log") && finding["offset"].is_u64(), "{finding}");
    let words = site.run(&["verify"]).ends(10).text();
    assert!(words.contains("finding:") && words.contains("damaged"), "{words}");
}

#[test]
fn a_change_that_hides_behind_a_good_checksum_is_11() {
    let site = Site::with_events(100);
    site.run(&["seal"]).ends(0);
    let log = site.path("evidence/log/00000000000000000000.log");
    let mut bytes = std::fs::read(&log).unwrap();
    // The frame that holds the event is changed, and its checksum made to fit: only a hash can tell.
    let mut at = LOG_HEADER_LEN;
    let changed = loop {
        let (header, payload) = frame::decode(&bytes[at..]).unwrap();
        let end = at + header.frame_len() as usize;
        if let Some(inside) = payload.windows(5).position(|part| part == b"ev_50") {
            let place = at + FRAME_HEADER_LEN + inside;
            bytes[place..place + 5].copy_from_slice(b"ev_05");
            header.seal(&mut bytes[at..end]);
            break place;
        }
        at = end;
    };
    assert_eq!(&bytes[changed..changed + 5], b"ev_05");
    std::fs::write(&log, bytes).unwrap();
    let found = site.run(&["verify", "--json"]).ends(11).json();
    assert_eq!(found["class"], "forged");
    assert!(site.run(&["verify"]).ends(11).text().contains("forged"));
}

#[test]
fn a_version_that_is_not_known_is_4() {
    // Offsets of FORMAT.md: the read version at 8, the write version at 10, the checksum over all before it.
    for (at, may_be_read) in [(8, false), (10, true)] {
        let site = Site::with_events(3);
        let log = site.path("evidence/log/00000000000000000000.log");
        let mut bytes = std::fs::read(&log).unwrap();
        bytes[at..at + 2].copy_from_slice(&9_999_u16.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..LOG_HEADER_LEN - 4]);
        bytes[LOG_HEADER_LEN - 4..LOG_HEADER_LEN].copy_from_slice(&crc.to_le_bytes());
        std::fs::write(&log, &bytes).unwrap();
        let refused = site.feed(&["append"], b"{}\n").ends(4);
        assert!(refused.err.contains("9999"), "{}", refused.err);
        let read = site.run(&["log"]);
        if may_be_read {
            assert_eq!(read.ends(0).text(), events(3));
        } else {
            read.ends(4);
        }
        assert_eq!(std::fs::read(&log).unwrap(), bytes, "it was written to");
    }
}

#[test]
fn a_store_behind_its_checkpoint_is_13() {
    let site = Site::with_events(5);
    site.run(&["backup", "old"]).ends(0);
    site.feed(&["append"], events(5).as_bytes()).ends(0);
    let note = site.run(&["checkpoint"]).ends(0).text();
    site.write("note", note);
    // The copy is a good store by itself, and behind what was signed.
    site.run(&["verify", "-C", "old"]).ends(0);
    site.run(&["verify", "-C", "old", "--expect", "note"]).ends(13);
    // The signer remembers, too.
    let refused = site.run(&["checkpoint", "-C", "old"]).ends(13);
    assert!(refused.err.contains("rolled back"), "{}", refused.err);
    // And so does the store, if it has its checkpoint.
    std::fs::copy(site.path("evidence/checkpoint"), site.path("old/checkpoint")).unwrap();
    site.feed(&["append", "-C", "old"], b"{}\n").ends(13);
    assert_eq!(site.run(&["log", "-C", "old"]).ends(0).text(), events(5));
}

#[test]
fn a_checkpoint_of_another_log_is_no_success() {
    let site = Site::with_events(5);
    site.run(&["init", "other", "--origin", "acme.example/test2"]).ends(0);
    site.write("note", site.run(&["checkpoint", "-C", "other"]).ends(0).out);
    let run = site.run(&["verify", "--expect", "note"]);
    assert_ne!(run.code, Some(0), "{}", run.text());
    site.write("note", "nonsense");
    site.run(&["verify", "--expect", "note"]).ends(2);
}

#[test]
fn a_missing_segment_is_14() {
    for missing in [0, 1] {
        let site = Site::with_events(10);
        for _ in 0..2 {
            site.run(&["seal"]).ends(0);
            site.feed(&["append", "--no-checkpoint"], events(10).as_bytes()).ends(0);
        }
        let mut logs: Vec<PathBuf> = std::fs::read_dir(site.path("evidence/log"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|end| end == "log"))
            .collect();
        logs.sort();
        std::fs::remove_file(&logs[missing]).unwrap();
        std::fs::remove_file(logs[missing].with_extension("idx")).unwrap();
        let run = site.run(&["verify"]).ends(14);
        assert!(run.text().contains("incomplete: segments"), "{}", run.text());
    }
}

#[test]
fn a_store_that_is_locked_is_3_until_it_is_let_go() {
    let site = Site::with_events(3);
    // Another process has the store open, and what it would say of where the log stands is lost.
    let other = std::fs::File::open(site.path("evidence/open")).unwrap();
    other.lock_shared().unwrap();
    std::fs::remove_file(site.path("evidence/head")).unwrap();
    let refused = site.feed(&["append"], b"{}\n").ends(3);
    assert!(refused.err.contains("another process has it open"), "{}", refused.err);
    assert_eq!(site.run(&["log"]).ends(0).text(), events(3), "readers need no lock");
    other.unlock().unwrap();
    site.feed(&["append"], b"{}\n").ends(0);
}

#[test]
fn a_broken_pipe_is_3_and_says_nothing() {
    let site = Site::with_events(20_000);
    let mut child = site
        .command(&["log"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn a_full_stdout_is_3() {
    let site = Site::with_events(10);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let status =
        site.command(&["log"]).stdin(Stdio::null()).stdout(full).stderr(Stdio::null()).status().unwrap();
    assert_eq!(status.code(), Some(3));
}

#[test]
fn a_store_that_cannot_be_written_can_be_read_and_says_so() {
    let site = Site::with_events(3);
    // A user who owns nothing here: permissions bind them, and would not bind root.
    site.run(&["backup", "shared"]).ends(0);
    open_to_all(&site.path("shared"));
    open_to_all(site.dir.path());
    let program = site.path("indelible");
    // By another process: were it this one, a program that another test starts meanwhile would inherit the copy open
    // for writing, and nobody could run it until that one ends.
    assert!(std::process::Command::new("cp").arg(binary()).arg(&program).status().unwrap().success());
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let other = |args: &[&str], input: &[u8]| -> Run {
        let mut command = Command::new(&program);
        command.args(args).current_dir(site.dir.path()).env("INDELIBLE_STORE", "shared");
        if is_root() {
            command.uid(65_534).gid(65_534);
        }
        feed(command, input)
    };
    if !is_root() {
        read_only(&site.path("shared"));
    }
    assert_eq!(other(&["log"], b"").ends(0).text(), events(3));
    other(&["verify"], b"").ends(0);
    let refused = other(&["append"], b"{}\n").ends(3);
    assert!(refused.err.contains("shared"), "{}", refused.err);
    assert_eq!(other(&["log"], b"").ends(0).text(), events(3));
}

#[test]
fn a_disk_that_takes_no_more_is_3_and_loses_nothing_that_was_acknowledged() {
    let site = Site::with_events(10);
    // A limit on the length of files stands in for a full disk: writes beyond it fail.
    let lines: String =
        (0..60_000).map(|n| format!("{{\"n\":{n},\"pad\":\"{}\"}}\n", "x".repeat(400))).collect();
    site.write("many.jsonl", &lines);
    let command = site_with_room(&site, 12288, "append --receipts many.jsonl");
    let run = feed(command, b"").ends(3);
    let acknowledged = run.text().lines().count();
    let kept = site.run(&["log"]).ends(0).text();
    let kept = kept.strip_prefix(&events(10)).unwrap();
    assert!(lines.starts_with(kept) && kept.lines().count() >= acknowledged);
    site.run(&["verify"]).ends(0);
    site.feed(&["append"], b"{\"goes\":\"on\"}\n").ends(0);
    site.run(&["verify"]).ends(0);
}

/// The program where no file can be longer than so many KiB: what stands in for a full disk.
fn site_with_room(site: &Site, kib: u32, words: &str) -> Command {
    let script = format!("trap '' XFSZ; ulimit -f {kib}; exec '{}' {words}", binary().display());
    let mut command = Command::new("bash");
    let ours = site.command(&[]);
    command.args(["-c", &script]).current_dir(site.dir.path());
    for (name, value) in ours.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

#[test]
fn a_copy_for_which_there_is_no_room_is_3_and_nothing_is_left_of_it() {
    let site = Site::with_events(3000);
    site.run(&["seal"]).ends(0);
    site.run(&["checkpoint"]).ends(0);
    std::fs::create_dir(site.path("empty")).unwrap();
    for words in [
        "backup copy",
        "backup empty",
        "archive copy archive",
        "retention compact",
        "export 'n > 7' -o x.zip",
    ] {
        let run = feed(site_with_room(&site, 8, words), b"").ends(3);
        assert!(run.err.starts_with("error: cannot write "), "{words}: {}", run.err);
        assert!(run.err.contains("File too large") && run.err.lines().count() == 1, "{words}: {}", run.err);
        let files = super::commands::walk(site.dir.path());
        let half = files.iter().find(|path| {
            let name = path.to_string_lossy();
            name.contains(".new")
                || name.contains("unfinished")
                || name.contains("/copy/")
                || name.contains("/empty/")
        });
        assert_eq!(half, None, "{words}");
        site.run(&["verify", "--no-record"]).ends(0);
    }
    feed(site_with_room(&site, 4, "publish public"), b"").ends(3);
    let files = super::commands::walk(&site.path("public"));
    assert!(
        files.iter().all(|path| path.extension().is_none_or(|extension| extension != "new")),
        "{files:?}"
    );
    assert!(site.path("empty").exists() && !site.path("copy").exists());
    for words in ["backup copy", "backup empty", "archive copy archive", "export 'n > 7' -o x.zip"] {
        feed(site_with_room(&site, 99999, words), b"").ends(0);
    }
    site.run(&["retention", "compact"]).ends(0);
    site.run(&["verify"]).ends(0);
}

#[test]
fn a_seal_whose_index_finds_no_room_says_that_it_holds_and_the_next_makes_the_index() {
    let site = Site::with_events(300);
    let run = feed(site_with_room(&site, 4, "seal"), b"").ends(3);
    assert!(run.err.starts_with("the segment is sealed; "), "{}", run.err);
    let index = site.path("evidence/log/00000000000000000000.idx");
    assert!(!index.exists());
    site.run(&["verify", "--no-record"]).ends(0);
    let run = site.run(&["seal"]).ends(0);
    assert!(run.err.contains("nothing to seal") && index.exists(), "{}", run.err);
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn open_to_all(path: &std::path::Path) {
    let facts = std::fs::metadata(path).unwrap();
    let mode = if facts.is_dir() { 0o755 } else { 0o644 };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    if facts.is_dir() && path.ends_with("shared") || path.parent().is_some_and(|p| p.ends_with("shared")) {
        for entry in std::fs::read_dir(path).into_iter().flatten() {
            open_to_all(&entry.unwrap().path());
        }
    }
}

fn read_only(path: &std::path::Path) {
    for entry in std::fs::read_dir(path).into_iter().flatten() {
        read_only(&entry.unwrap().path());
    }
    let mode = if path.is_dir() { 0o555 } else { 0o444 };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}
