//! Opens files and stdin, and reads through gzip and zstd, told by their first bytes and not by their names.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::exit::{Failure, Outcome};

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// The largest zstd window that is accepted: 2^27 bytes, what `zstd --long` writes and reads by default.
const ZSTD_WINDOW_LOG: u32 = 27;
/// The compressed bytes that are read at once.
const BUFFER_LEN: usize = 256 << 10;

/// One input: a file, or stdin.
pub(crate) struct Input {
    /// Its name, for messages: the path, or `-`.
    pub(crate) name: String,
    reader: Box<dyn Read + Send>,
}

impl Input {
    /// Opens a file, or stdin where the path is `-`. `read` counts the bytes that are read, as stored.
    pub(crate) fn open(path: &Path, read: Arc<AtomicU64>) -> Outcome<Self> {
        if path == Path::new("-") {
            return Self::over("-".to_owned(), read, io::stdin());
        }
        let name = path.display().to_string();
        let file = File::open(path).map_err(Failure::io(format!("open {name}")))?;
        Self::over(name, read, file)
    }

    fn over(name: String, read: Arc<AtomicU64>, raw: impl Read + Send + 'static) -> Outcome<Self> {
        let reader = decompress(Counted { inner: raw, count: read });
        let reader = reader.map_err(Failure::io(format!("read {name}")))?;
        Ok(Input { name, reader })
    }
}

/// The length of all files together, in bytes as stored; nothing where one of them is a pipe or stdin.
///
/// # Errors
/// For a file that is missing and for a directory: so that is told before anything of the others is read.
pub(crate) fn total_len(paths: &[PathBuf]) -> Outcome<Option<u64>> {
    let mut total = Some(0);
    for path in paths {
        if path == Path::new("-") {
            total = None;
            continue;
        }
        let facts = std::fs::metadata(path).map_err(Failure::io(format!("read {}", path.display())))?;
        if facts.is_dir() {
            return Err(Failure::Usage(format!("{} is a directory; name the files in it", path.display())));
        }
        total = total.filter(|_| facts.is_file()).map(|sum: u64| sum + facts.len());
    }
    Ok(total)
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer)
    }
}

/// All bytes of an input, at most `len_max` of them.
pub(crate) fn read_all(path: &Path, len_max: u64) -> Outcome<Vec<u8>> {
    let input = Input::open(path, Arc::default())?;
    let name = input.name.clone();
    let mut bytes = Vec::new();
    input.take(len_max + 1).read_to_end(&mut bytes).map_err(Failure::io(format!("read {name}")))?;
    if bytes.len() as u64 > len_max {
        return Err(Failure::Usage(format!("{name} is over the limit of {len_max} bytes")));
    }
    Ok(bytes)
}

/// The paths given, or stdin where none were.
pub(crate) fn or_stdin(paths: &[PathBuf]) -> Vec<PathBuf> {
    if paths.is_empty() { vec![PathBuf::from("-")] } else { paths.to_vec() }
}

/// Reads plain, gzip (many members) or zstd (many frames) bytes.
fn decompress(mut raw: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
    // Only as many bytes are waited for as it takes to tell: a first event that trickles in is not held up.
    let mut magic = Vec::with_capacity(ZSTD.len());
    let mut byte = [0];
    while [GZIP, ZSTD].iter().any(|known| magic.len() < known.len() && known.starts_with(&magic)) {
        match raw.read(&mut byte) {
            Ok(0) => break,
            Ok(_) => magic.push(byte[0]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let is_gzip = magic.starts_with(GZIP);
    let is_zstd = magic.starts_with(ZSTD);
    let whole = Cursor::new(magic).chain(raw);
    if is_gzip {
        return Ok(Box::new(flate2::bufread::MultiGzDecoder::new(BufReader::with_capacity(
            BUFFER_LEN, whole,
        ))));
    }
    if is_zstd {
        let mut decoder = zstd::Decoder::with_buffer(BufReader::with_capacity(BUFFER_LEN, whole))?;
        decoder.window_log_max(ZSTD_WINDOW_LOG)?;
        return Ok(Box::new(decoder));
    }
    Ok(Box::new(whole))
}

/// Counts the bytes that pass.
struct Counted<R> {
    inner: R,
    count: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.inner.read(buffer)?;
        self.count.fetch_add(len as u64, Ordering::Relaxed);
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn text() -> Vec<u8> {
        (0..5000).flat_map(|n| format!("{{\"n\":{n}}}\n").into_bytes()).collect()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn read(stored: Vec<u8>) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        decompress(Cursor::new(stored))?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    #[test]
    fn compressed_and_plain_input_read_the_same() {
        let plain = text();
        let zstd = zstd::encode_all(&plain[..], 1).unwrap();
        for stored in [plain.clone(), gzip(&plain), zstd.clone()] {
            assert!(read(stored).unwrap() == plain);
        }
        // Files that were put one behind the other, as log rotation does.
        let twice = [plain.clone(), plain.clone()].concat();
        assert!(read([gzip(&plain), gzip(&plain)].concat()).unwrap() == twice);
        assert!(read([zstd.clone(), zstd].concat()).unwrap() == twice);
    }

    #[test]
    fn a_cut_compressed_file_is_an_error() {
        let plain = text();
        for stored in [gzip(&plain), zstd::encode_all(&plain[..], 1).unwrap()] {
            let cut = stored[..stored.len() - 5].to_vec();
            assert!(read(cut).is_err());
        }
    }

    #[test]
    fn short_input_is_no_error() {
        for stored in [&b""[..], b"\x1f", b"\x28", b"\x28\xb5\x2f", b"{"] {
            assert_eq!(read(stored.to_vec()).unwrap(), stored);
        }
    }

    #[test]
    fn only_the_bytes_that_tell_are_waited_for() {
        /// Gives a byte, then says that there is no more for now.
        struct Trickle(Option<u8>);
        impl Read for Trickle {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                match self.0.take() {
                    Some(byte) => {
                        buffer[0] = byte;
                        Ok(1)
                    }
                    None => Err(io::ErrorKind::WouldBlock.into()),
                }
            }
        }
        assert!(decompress(Trickle(Some(b'{'))).is_ok());
        assert!(decompress(Trickle(Some(GZIP[0]))).is_err());
    }
}
