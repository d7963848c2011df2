//! What reaches a terminal: nothing raw of what others wrote. The program's stdout and stderr are a real
//! pseudo-terminal here.

use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::Site;

/// Runs the program with its output on a terminal; all that it wrote there.
fn on_terminal(site: &Site, args: &[&str], no_color: bool) -> Vec<u8> {
    let mut command = site.command(args);
    command.env("PAGER", "cat");
    if no_color {
        command.env("NO_COLOR", "1");
    }
    show(command)
}

/// Runs a command with its output on a terminal; all that it wrote there.
fn show(mut command: Command) -> Vec<u8> {
    let control = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&control).unwrap();
    unlockpt(&control).unwrap();
    let name = ptsname(&control, Vec::new()).unwrap().into_string().unwrap();
    let open = || File::options().read(true).write(true).open(&name).unwrap();
    let mut child = command.stdin(Stdio::null()).stdout(open()).stderr(open()).spawn().unwrap();
    // Ours must be closed, or reading never ends.
    drop(command);
    let mut shown = Vec::new();
    let mut control = File::from(control);
    let mut part = [0; 4096];
    // The terminal's end reads as an error when its last writer has gone.
    while let Ok(len @ 1..) = control.read(&mut part) {
        shown.extend_from_slice(&part[..len]);
    }
    child.wait().unwrap();
    shown
}

/// All but the line ends, as the terminal makes them.
fn control_characters(shown: &[u8]) -> Vec<char> {
    let text = String::from_utf8_lossy(shown).replace("\r\n", "\n");
    text.chars().filter(|c| c.is_control() && *c != '\n').collect()
}

#[test]
fn control_characters_of_events_never_reach_a_terminal_raw() {
    let site = Site::with_store();
    let event = "{\"del\":\"\u{7f}\",\"csi\":\"\u{9b}31m\",\"bidi\":\"\u{202e}x\"}";
    site.feed(&["append"], format!("{event}\n").as_bytes()).ends(0);
    site.feed(&["record"], b"{\"two\":1,\r\n\t\"lines\":2}").ends(0);
    for args in [&["log"][..], &["log", "--integrity"], &["log", "--all", "--reverse"]] {
        let shown = on_terminal(&site, args, false);
        assert_eq!(control_characters(&shown), [], "{}", shown.escape_ascii());
        let text = String::from_utf8(shown).unwrap();
        assert!(
            text.contains(r"\u007f") && text.contains(r"\u009b31m") && text.contains(r"\u202ex"),
            "{text}"
        );
    }
    // Piped, they are as they were.
    assert_eq!(site.run(&["log", "-n", "2"]).ends(0).text().lines().next().unwrap(), event);
}

#[test]
fn control_characters_of_bad_lines_and_file_names_never_reach_a_terminal_raw() {
    let site = Site::with_store();
    let name = "a\u{1b}[31mb.jsonl";
    site.write(name, b"{\"key\x1b]0;title\x07\":1}\n{\"\\u001b[2J\":1,\"\\u001b[2J\":2}\n");
    for args in
        [&["append", name][..], &["append", "--on-error", "skip", name], &["append", "missing\u{1b}c"]]
    {
        let shown = on_terminal(&site, args, true);
        let raw = String::from_utf8_lossy(&shown).into_owned();
        assert!(
            !raw.contains("\u{1b}[31m") && !raw.contains("\u{1b}]0") && !raw.contains("\u{1b}c"),
            "{raw:?}"
        );
        assert!(!raw.contains("\u{1b}[2J") && !raw.contains('\u{7}'), "{raw:?}");
        assert!(raw.contains(r"\u001b"), "{raw:?}");
    }
}

#[test]
fn colours_come_on_a_terminal_and_not_with_no_color() {
    let site = Site::with_events(2);
    let coloured = on_terminal(&site, &["doctor"], false);
    assert!(coloured.windows(2).any(|pair| pair == b"\x1b["));
    let plain = on_terminal(&site, &["doctor"], true);
    assert_eq!(control_characters(&plain), [], "{}", plain.escape_ascii());
    assert!(!site.run(&["doctor"]).ends(0).out.contains(&0x1b));
}

#[test]
fn a_person_is_told_what_was_appended() {
    let site = Site::with_store();
    site.write("events.jsonl", super::events(5));
    let shown = String::from_utf8(on_terminal(&site, &["append", "events.jsonl"], true)).unwrap();
    assert!(shown.contains("appended 5 events"), "{shown:?}");
}

#[test]
fn answers_on_a_terminal_hold_nothing_raw_and_go_through_the_pager() {
    let site = Site::with_store();
    let event =
        "{\"kind\":\"a\u{9b}31m\",\"run_id\":\"r\",\"x\":\"\u{202e}\",\"actor\":{\"id\":\"b\\u001b[2J\"}}";
    site.feed(&["append"], format!("{event}\n").as_bytes()).ends(0);
    for format in ["table", "jsonl", "json", "csv", "markdown", "raw"] {
        for query in
            [&["timeline", "run", "r"][..], &["query", "run = r"], &["query", "run = r | fields x, kind"]]
        {
            if format == "raw" && query.last().is_some_and(|text| text.contains("fields")) {
                continue;
            }
            let args = [query, &["--format", format]].concat();
            let shown = on_terminal(&site, &args, true);
            assert_eq!(control_characters(&shown), [], "{args:?}: {}", shown.escape_ascii());
            assert!(!shown.is_empty(), "{args:?}");
        }
    }
    let mut command = site.command(&["timeline", "run", "r"]);
    command.env("PAGER", "sed s/^/paged:/").env("COLUMNS", "60");
    let shown = String::from_utf8(show(command)).unwrap();
    assert!(shown.lines().filter(|line| line.starts_with("paged:")).count() > 2, "{shown:?}");
    let mut command = site.command(&["timeline", "run", "r", "--no-pager"]);
    command.env("PAGER", "sed s/^/paged:/");
    assert!(!String::from_utf8(show(command)).unwrap().contains("paged:"));
}

#[test]
fn whoever_leaves_the_pager_has_seen_enough() {
    let site = Site::with_events(20_000);
    let mut command = site.command(&["query", "n >= 0", "--exit-status"]);
    command.env("PAGER", "head -n 1");
    let shown = String::from_utf8(show(command)).unwrap();
    assert!(!shown.contains("error"), "{shown:?}");
    assert!(shown.contains("seq"), "{shown:?}");
}

#[test]
fn an_answer_that_no_pager_showed_is_no_success() {
    let site = Site::with_events(3);
    let mut command = site.command(&["query", "n >= 0"]);
    command.env("PAGER", "no-such-pager-anywhere");
    let shown = String::from_utf8(show(command)).unwrap();
    assert!(shown.contains("cannot run the pager") && shown.contains("--no-pager"), "{shown:?}");
}
