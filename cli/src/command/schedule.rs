//! `indelible schedule`: the timers or lines that keep a store signed, checked and in its tiers.
//!
//! Prints and changes nothing: what runs on a machine is for its operator to install.

use std::path::{Path, PathBuf};

use crate::approvals;
use crate::exit::{Code, Failure, Outcome};
use crate::output::Out;

/// Print systemd timers or cron lines that sign and verify the store
///
/// Signs every hour; verifies every night, for as long as --max-duration says and on from where the last night stopped;
/// says every Sunday what retention has overdue, and packs old segments where asked to. Nothing is deleted unattended:
/// that takes operators. Nothing is installed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  indelible schedule systemd --key acme.vkey --metrics /var/lib/node_exporter/indelible.prom
  indelible schedule systemd --max-duration 30m --compact-older-than 90d
  indelible schedule cron --key acme.vkey | crontab -")]
pub(crate) struct Args {
    /// For whom to print
    #[arg(value_enum)]
    pub(crate) system: System,
    /// The verifier key that must have signed: a vkey's file
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// Where each verification writes its metrics
    #[arg(long, value_name = "FILE")]
    pub(crate) metrics: Option<PathBuf>,
    /// How long a night's verification may go on
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration)]
    pub(crate) max_duration: String,
    /// Pack sealed segments whose events are older than this, every Sunday
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) compact_older_than: Option<String>,
}

/// A duration, kept as it was written.
fn duration(text: &str) -> Result<String, String> {
    approvals::duration(text).map(|_| text.to_owned())
}

/// What starts the commands.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum System {
    /// Units for /etc/systemd/system or ~/.config/systemd/user
    Systemd,
    /// Lines for crontab
    Cron,
}

/// Something to do again and again.
struct Task {
    name: &'static str,
    description: &'static str,
    /// When: for systemd, and for cron.
    when: (&'static str, &'static str),
    arguments: Vec<String>,
    /// An exit code that is no failure, beside 0.
    also_good: Option<Code>,
}

/// Prints.
pub(crate) fn run(store: &Path, args: &Args) -> Outcome {
    let program = std::env::current_exe().map_err(Failure::io("find this program's path"))?;
    let program = word(&program)?;
    let tasks = tasks(store, args)?;
    let mut out = Out::stdout();
    for Task { name, description, when, arguments, also_good } in &tasks {
        let words = || std::iter::once(&program).chain(arguments);
        match args.system {
            System::Cron => {
                let command: Vec<_> = words().map(|word| for_cron(word)).collect();
                out.line(format_args!("# {description}\n{} {}", when.1, command.join(" ")))?;
            }
            System::Systemd => {
                let command: Vec<_> = words().map(|word| for_systemd(word)).collect();
                let good =
                    also_good.map_or_else(String::new, |code| format!("\nSuccessExitStatus={}", code as u8));
                out.line(format_args!(
                    "# indelible-{name}.service\n[Unit]\nDescription={description}\n\n[Service]\nType=oneshot\n\
                     ExecStart={}{good}\n\n# indelible-{name}.timer\n[Unit]\nDescription={description}\n\n[Timer]\n\
                     OnCalendar={}\nPersistent=true\nRandomizedDelaySec=5m\n\n[Install]\nWantedBy=timers.target\n",
                    command.join(" "),
                    when.0,
                ))?;
            }
        }
    }
    out.finish()?;
    Ok(Code::Clean)
}

fn tasks(store: &Path, args: &Args) -> Outcome<Vec<Task>> {
    let store = absolute(store)?;
    let of_store = |words: &[&str]| -> Vec<String> {
        let words = words.iter().map(|word| (*word).to_owned());
        ["-C".to_owned(), store.clone()].into_iter().chain(words).collect()
    };
    let mut shared = Vec::new();
    for (option, path) in [("--key", &args.key), ("--metrics", &args.metrics)] {
        if let Some(path) = path {
            shared.extend([option.to_owned(), absolute(path)?]);
        }
    }
    let night = of_store(&["verify", "--max-duration", &args.max_duration, "--resume"]);
    let mut tasks = vec![
        Task {
            name: "checkpoint",
            description: "Sign the evidence store",
            when: ("hourly", "0 * * * *"),
            arguments: of_store(&["checkpoint"]),
            also_good: None,
        },
        Task {
            name: "verify",
            description: "Check the evidence store, on from where the last night stopped",
            when: ("03:15", "15 3 * * *"),
            arguments: [night, shared].concat(),
            also_good: Some(Code::Partial),
        },
        Task {
            name: "retention",
            description: "Say what the evidence store keeps and what is overdue",
            when: ("Sun 05:15", "15 5 * * 0"),
            arguments: of_store(&["retention", "status"]),
            also_good: None,
        },
    ];
    tasks.extend(args.compact_older_than.as_ref().map(|age| Task {
        name: "compact",
        description: "Pack old segments of the evidence store",
        when: ("Sun 06:15", "15 6 * * 0"),
        arguments: of_store(&["retention", "compact", "--older-than", age]),
        also_good: None,
    }));
    Ok(tasks)
}

/// A path that means the same wherever it is read.
fn absolute(path: &Path) -> Outcome<String> {
    word(&std::path::absolute(path).map_err(Failure::io(format!("find {}", path.display())))?)
}

/// A path as a word; a line's end in it would begin another line of a unit or a crontab.
fn word(path: &Path) -> Outcome<String> {
    match path.to_str() {
        Some(text) if !text.contains(char::is_control) => Ok(text.to_owned()),
        _ => Err(Failure::Usage(format!("{} cannot stand in a schedule: rename it", path.display()))),
    }
}

/// A word as the shell reads it, with cron's percent signs kept.
fn for_cron(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./+=:,@".contains(c);
    let quoted = match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    };
    quoted.replace('%', r"\%")
}

/// A word as a unit's command line reads it: specifiers and variables stand for themselves.
fn for_systemd(word: &str) -> String {
    let word = word.replace('%', "%%").replace('$', "$$");
    let plain = |c: char| !c.is_whitespace() && !matches!(c, '"' | '\'' | '\\' | ';');
    match !word.is_empty() && word.chars().all(plain) {
        true => word,
        false => format!("\"{}\"", word.replace('\\', r"\\").replace('"', "\\\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_for_themselves() {
        let table = [
            ("/srv/evidence", "/srv/evidence", "/srv/evidence"),
            ("/a b", "'/a b'", "\"/a b\""),
            ("/50%", r"'/50\%'", "/50%%"),
            ("it's", r"'it'\''s'", "\"it's\""),
            ("$HOME", "'$HOME'", "$$HOME"),
            (r#"a\"b"#, r#"'a\"b'"#, r#""a\\\"b""#),
            ("", "''", "\"\""),
        ];
        for (given, cron, systemd) in table {
            assert_eq!((for_cron(given).as_str(), for_systemd(given).as_str()), (cron, systemd), "{given}");
        }
    }

    #[test]
    fn no_path_begins_a_line_of_its_own() {
        assert!(word(Path::new("/a\n* * * * * rm")).is_err());
    }
}
