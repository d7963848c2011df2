//! Opens stores for the commands, and says what opening found.

use std::path::Path;

use indelible::{Options, Store};

use crate::exit::Outcome;
use crate::{anchors, archives, output};

/// Opens a store to read it: nothing in it is changed, no lock is taken.
pub(crate) fn to_read(path: &Path) -> Outcome<Store> {
    Ok(Store::open(path, Options::default().read_only(true).retrieve(archives::retrieve(None)))?)
}

/// Opens a store to append to it, unless it is behind an anchor or at odds with one. What recovery did is told.
pub(crate) fn to_write(path: &Path) -> Outcome<Store> {
    let store = Store::open(path, Options::default().retrieve(archives::retrieve(None)))?;
    let recovery = store.recovery();
    if recovery.cut_len > 0 {
        output::warn(format_args!(
            "the store had not been closed in order: {} behind its last whole commit, which nothing in the log calls durable, \
             went to {}",
            output::length(recovery.cut_len),
            path.join("lost").display(),
        ));
    }
    anchors::compare_newest(&store)?;
    Ok(store)
}
