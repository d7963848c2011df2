//! `indelible schedule`: the timers or lines that keep a store signed and checked.
//!
//! Prints and changes nothing: what runs on a machine is for its operator to install.

use std::path::{Path, PathBuf};

use crate::exit::{Code, Failure, Outcome};
use crate::output::Out;

/// Print systemd timers or cron lines that sign and verify the store
///
/// Signs every hour, checks headers, seals and signatures every day, and everything every Sunday. Nothing is installed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  indelible schedule systemd --key acme.vkey --metrics /var/lib/node_exporter/indelible.prom
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
}

/// Prints.
pub(crate) fn run(store: &Path, args: &Args) -> Outcome {
    let program = std::env::current_exe().map_err(Failure::io("find this program's path"))?;
    let program = word(&program)?;
    let tasks = tasks(store, args)?;
    let mut out = Out::stdout();
    for Task { name, description, when, arguments } in &tasks {
        let words = || std::iter::once(&program).chain(arguments);
        match args.system {
            System::Cron => {
                let command: Vec<_> = words().map(|word| for_cron(word)).collect();
                out.line(format_args!("# {description}\n{} {}", when.1, command.join(" ")))?;
            }
            System::Systemd => {
                let command: Vec<_> = words().map(|word| for_systemd(word)).collect();
                out.line(format_args!(
                    "# indelible-{name}.service\n[Unit]\nDescription={description}\n\n[Service]\nType=oneshot\n\
                     ExecStart={}\n\n# indelible-{name}.timer\n[Unit]\nDescription={description}\n\n[Timer]\n\
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
    let verify = |words: &[&str]| [of_store(words), shared.clone()].concat();
    Ok(vec![
        Task {
            name: "checkpoint",
            description: "Sign the evidence store",
            when: ("hourly", "0 * * * *"),
            arguments: of_store(&["checkpoint"]),
        },
        Task {
            name: "verify-quick",
            description: "Check the evidence store's seals, chain and signatures",
            when: ("Mon..Sat 03:15", "15 3 * * 1-6"),
            arguments: verify(&["verify", "--quick"]),
        },
        Task {
            name: "verify-full",
            description: "Check all of the evidence store",
            when: ("Sun 03:15", "15 3 * * 0"),
            arguments: verify(&["verify"]),
        },
    ])
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
