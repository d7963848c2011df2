//! Mapped files: the one place of the engine with `unsafe`, and why it is sound.

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Deref;
use std::sync::Arc;

/// The bytes of a sealed file: mapped, or read into memory by disks that cannot map. Cheap to clone.
#[derive(Clone)]
pub struct Mapped(Arc<Bytes>);

enum Bytes {
    Map(memmap2::Mmap),
    Heap(Vec<u8>),
}

impl Mapped {
    /// Maps all of `file`.
    pub(super) fn file(file: &File) -> io::Result<Self> {
        if file.metadata()?.len() == 0 {
            return Ok(Mapped::heap(Vec::new()));
        }
        #[expect(unsafe_code, reason = "mapping has no safe form; see the comment")]
        // SAFETY: a mapped file must not be cut or changed while it is mapped. Only sealed files are mapped:
        // sidecars, which are written under another name, synced and renamed into place, and the logs of sealed
        // segments, which are cut to their length before the seal is written. From then on no code of this engine
        // opens them for writing: they are replaced by rename and removed by unlink, which leave a mapping's pages
        // alone. Whoever else may write into the store's directory could break this; such a
        // person can end the process anyway, and every section and frame is checked before it is used.
        let map = unsafe { memmap2::Mmap::map(file)? };
        Ok(Mapped(Arc::new(Bytes::Map(map))))
    }

    /// Bytes that are in memory already.
    pub fn heap(bytes: Vec<u8>) -> Self {
        Mapped(Arc::new(Bytes::Heap(bytes)))
    }
}

impl Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &*self.0 {
            Bytes::Map(map) => map,
            Bytes::Heap(bytes) => bytes,
        }
    }
}

impl fmt::Debug for Mapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mapped({} bytes)", self.len())
    }
}
