//! The views that a process has open: each segment is opened once, not once a query.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::view::View;
use super::{AsOf, Piece, Trouble};
use crate::log::lock;
use crate::{Result, SegmentId, Seq};

/// How many segments are kept open.
const OPEN_MAX: usize = 1024;

/// The open views of one store.
#[derive(Debug, Default)]
pub(crate) struct Views {
    sealed: Mutex<HashMap<SegmentId, Arc<View>>>,
    /// The active segment up to a seq.
    active: Mutex<Option<(SegmentId, Seq, Arc<View>)>>,
}

impl Views {
    /// Lets `ask` ask the view of a piece. Where that turns out not to be whole, it is made anew from the log, and
    /// `ask` asked again.
    pub(super) fn ask<T>(
        &self,
        as_of: &AsOf,
        piece: &Piece,
        mut ask: impl FnMut(&Arc<View>) -> Result<T, Trouble>,
    ) -> Result<T> {
        let view = self.get(as_of, piece)?;
        let fault = match ask(&view) {
            Ok(answer) => return Ok(answer),
            Err(Trouble::Other(error)) => return Err(error),
            Err(Trouble::View(fault)) => fault,
        };
        let view = self.rebuild(as_of, piece, &view, &fault)?;
        ask(&view).map_err(|trouble| match trouble {
            Trouble::Other(error) => error,
            Trouble::View(fault) => fault.in_file(&as_of.log.layout.log(piece.id)),
        })
    }

    /// The view of a piece.
    pub(super) fn get(&self, as_of: &AsOf, piece: &Piece) -> Result<Arc<View>> {
        if let Some(view) = self.known(piece) {
            return Ok(view);
        }
        let view = Arc::new(View::open(as_of, piece)?);
        self.keep(piece, &view);
        Ok(view)
    }

    /// A view that was found not to be whole, made anew; nothing can be done about one that was already.
    pub(super) fn rebuild(
        &self,
        as_of: &AsOf,
        piece: &Piece,
        view: &View,
        fault: &crate::Fault,
    ) -> Result<Arc<View>> {
        if view.rebuilt.is_some() || !piece.sealed {
            return Err(fault.clone().in_file(&as_of.log.layout.log(piece.id)));
        }
        let view = Arc::new(View::from_log(as_of, piece, Some(fault.to_string()))?);
        self.keep(piece, &view);
        Ok(view)
    }

    fn known(&self, piece: &Piece) -> Option<Arc<View>> {
        if piece.sealed {
            return lock(&self.sealed).get(&piece.id).cloned();
        }
        let active = lock(&self.active);
        let (id, end, view) = active.as_ref()?;
        (*id == piece.id && *end == piece.seqs.end).then(|| Arc::clone(view))
    }

    fn keep(&self, piece: &Piece, view: &Arc<View>) {
        if !piece.sealed {
            *lock(&self.active) = Some((piece.id, piece.seqs.end, Arc::clone(view)));
            return;
        }
        let mut sealed = lock(&self.sealed);
        // Any will do: it is opened again at need.
        if sealed.len() >= OPEN_MAX
            && let Some(id) = sealed.keys().next().copied()
        {
            sealed.remove(&id);
        }
        sealed.insert(piece.id, Arc::clone(view));
    }
}
