//! An anchor that is a command: it gets each checkpoint on its standard input, and does with it what it likes.

use std::time::Duration;

use indelible::trust::Note;

use crate::shell::{self, Printed};

/// How long a command may take: whoever signs waits for it.
const TIME_MAX: Duration = Duration::from_secs(30);

/// Runs the command. What it says on stderr is shown; its stdout is not, for ours is the checkpoint's.
///
/// # Errors
/// In words, where it cannot be run, fails, or takes too long.
pub(super) fn give(command: &str, note: &Note) -> Result<(), String> {
    give_within(command, note, TIME_MAX)
}

fn give_within(command: &str, note: &Note, time_max: Duration) -> Result<(), String> {
    match shell::run(command, note.to_string().as_bytes(), Printed::Dropped, time_max) {
        Ok(Some((status, _))) if status.success() => Ok(()),
        Ok(Some((status, _))) => Err(format!("`{command}` failed: {status}")),
        Ok(None) => Err(format!("`{command}` was stopped after {} s", time_max.as_secs())),
        Err(error) => Err(format!("`{command}` cannot be run: {error}")),
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
