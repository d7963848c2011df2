//! An anchor that is a command: it gets each checkpoint on its standard input, and does with it what it likes.

use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use indelible::trust::Note;

/// How long a command may take: whoever signs waits for it.
const TIME_MAX: Duration = Duration::from_secs(30);
/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Runs the command. What it says on stderr is shown; its stdout is not, for ours is the checkpoint's.
///
/// # Errors
/// In words, where it cannot be run, fails, or takes too long.
pub(super) fn give(command: &str, note: &Note) -> Result<(), String> {
    give_within(command, note, TIME_MAX)
}

fn give_within(command: &str, note: &Note, time_max: Duration) -> Result<(), String> {
    let cannot = |error: std::io::Error| format!("`{command}` cannot be run: {error}");
    let mut child = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .map_err(cannot)?;
    let text = note.to_string();
    // A note is shorter than a pipe is; a command that does not read all of it says by how it ends what it made of it.
    if let Some(mut stdin) = child.stdin.take() {
        let _ = stdin.write_all(text.as_bytes());
    }
    let until = Instant::now() + time_max;
    loop {
        match child.try_wait().map_err(cannot)? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(format!("`{command}` failed: {status}")),
            None if Instant::now() < until => thread::sleep(LOOK_EVERY),
            None => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("`{command}` was stopped after {} s", time_max.as_secs()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use indelible::Origin;
    use indelible::hash::Hash;
    use indelible::trust::{Checkpoint, SigningKey};

    use super::*;

    #[test]
    fn a_command_gets_the_note_and_its_failure_is_told() {
        let key = SigningKey::from_seed("a.example/log", [3; 32]).unwrap();
        let origin = "a.example/log".parse::<Origin>().unwrap();
        let note = Checkpoint::new(&origin, 3, Hash::ZERO).sign(&key).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("got");
        give(&format!("cat > '{}'", path.display()), &note).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), note.to_string());
        assert!(give("exit 3", &note).unwrap_err().contains("failed: exit status: 3"));
        assert!(give_within("exec sleep 60", &note, Duration::ZERO).unwrap_err().contains("was stopped"));
    }
}
