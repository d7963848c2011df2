//! An archive in a bucket of S3, or of what speaks like it.
//!
//! An object is put whole, in one request that says to do so only if there is none of its name, and read back. Every request
//! has a time by which it must be done, and is tried a few times where the network or the server failed: that a put may
//! have been done although it seemed to fail does no harm, since what is there is compared.

use std::fmt;
use std::fs::File;
use std::future::Future;
use std::io::{self, Seek, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use indelible_engine::disk::{Clock, SystemClock};
use indelible_engine::{Error, Result, Timestamp};
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, Checksum};
use object_store::{
    BackoffConfig, ClientOptions, ObjectStore, ObjectStoreExt, PutMode, PutPayload, RetryConfig, path,
};
use tokio::runtime::{self, Runtime};

use crate::target::{Lock, Object, Put, Removed, same, taken};

/// Longest object in bytes: a put takes it whole.
const OBJECT_LEN_MAX: u64 = 1 << 30;
/// How much is asked for at once, in bytes.
const PIECE_LEN: u64 = 8 << 20;
/// How often a request is tried.
const TRIES: usize = 4;
/// How long a server may take to be reached, in seconds.
const CONNECT_S: u64 = 10;
/// How long a request may take, in seconds, and so much longer for each of `SLOWEST` bytes that it carries.
const REQUEST_S: u64 = 30;
/// The fewest bytes in a second that are waited for.
const SLOWEST: u64 = 64 << 10;

/// A bucket, and what the names of an archive's objects in it begin with.
#[derive(Debug)]
pub(crate) struct Bucket {
    name: String,
    prefix: path::Path,
    settings: Vec<(AmazonS3ConfigKey, String)>,
    runtime: Runtime,
}

impl Bucket {
    /// `BUCKET/PREFIX`, and the settings that are among `variables`.
    pub(crate) fn new(place: &str, variables: impl IntoIterator<Item = (String, String)>) -> Result<Self> {
        let refuse = |reason: String| Error::Refused { what: "archive in S3", reason };
        let (name, prefix) = place.split_once('/').unwrap_or((place, ""));
        if name.is_empty() {
            return Err(refuse("it has no bucket: write s3://BUCKET/PREFIX".to_owned()));
        }
        let settings = variables.into_iter().filter(|(name, _)| name.starts_with("AWS_"));
        let settings =
            settings.filter_map(|(name, value)| Some((name.to_ascii_lowercase().parse().ok()?, value)));
        // A program has one such provider, and may have chosen it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let bucket = Bucket {
            name: name.to_owned(),
            prefix: path::Path::parse(prefix.trim_end_matches('/'))
                .map_err(|error| refuse(error.to_string()))?,
            settings: settings.collect(),
            runtime: runtime.map_err(Error::io("speak to", place))?,
        };
        // Settings that make no sense are found out here.
        bucket.client(0, HeaderMap::new()).map_err(|error| refuse(error.to_string()))?;
        Ok(bucket)
    }

    pub(crate) fn place_of(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("s3://{}/{}", self.name, self.key(name)))
    }

    fn key(&self, name: &str) -> path::Path {
        name.split('/').fold(self.prefix.clone(), |key, part| key.join(part))
    }

    /// What speaks to the bucket, in requests that carry `len` bytes and these headers.
    fn client(&self, len: u64, headers: HeaderMap) -> Result<AmazonS3, object_store::Error> {
        let options = ClientOptions::new()
            .with_connect_timeout(Duration::from_secs(CONNECT_S))
            .with_timeout(Duration::from_secs(REQUEST_S + len / SLOWEST))
            .with_default_headers(headers);
        let retry = RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(5),
                base: 2.0,
            },
            max_retries: TRIES - 1,
            retry_timeout: Duration::from_secs(180),
        };
        let builder = AmazonS3Builder::new()
            .with_client_options(options)
            .with_retry(retry)
            // A bucket with object locks takes no object without a checksum.
            .with_checksum_algorithm(Checksum::SHA256);
        let settings = self.settings.iter();
        let builder = settings.fold(builder, |builder, (key, value)| builder.with_config(*key, value));
        builder.with_bucket_name(&self.name).build()
    }

    fn wait<T>(
        &self,
        action: &'static str,
        place: PathBuf,
        work: impl Future<Output = Result<T, object_store::Error>>,
    ) -> Result<T> {
        self.runtime.block_on(work).map_err(|error| failed(action, place, error))
    }

    pub(crate) fn list(&self) -> Result<Vec<Object>> {
        self.wait("list", self.place_of(""), async {
            let client = self.client(0, HeaderMap::new())?;
            let mut objects = Vec::new();
            for day in client.list_with_delimiter(Some(&self.prefix)).await?.common_prefixes {
                for object in client.list_with_delimiter(Some(&day)).await?.objects {
                    let parts = object.location.prefix_match(&self.prefix);
                    let parts: Vec<_> =
                        parts.into_iter().flatten().map(|part| part.as_ref().to_owned()).collect();
                    if parts.last().is_some_and(|name| name.ends_with(".parquet")) {
                        objects.push(Object { name: parts.join("/"), len: object.size });
                    }
                }
            }
            Ok(objects)
        })
    }

    pub(crate) fn read(&self, name: &str, range: Range<u64>) -> Result<Bytes> {
        let (place, key, len) = (self.place_of(name), self.key(name), range.end.saturating_sub(range.start));
        let bytes = self.wait("fetch", place.clone(), async {
            self.client(len, HeaderMap::new())?.get_range(&key, range).await
        })?;
        if bytes.len() as u64 == len {
            return Ok(bytes);
        }
        Err(Error::io("fetch", place)(io::ErrorKind::UnexpectedEof.into()))
    }

    /// Removes an object, unless the bucket would keep it as a version: then its bytes would be there still, and nobody would
    /// see them.
    pub(crate) fn remove(&self, name: &str, asked: bool) -> Result<Removed> {
        let (place, key) = (self.place_of(name), self.key(name));
        let found = self
            .wait("look at", place.clone(), async { self.client(0, HeaderMap::new())?.head(&key).await })?;
        if let Some(version) = found.version.filter(|version| version != "null") {
            let command =
                format!("aws s3api delete-object --bucket {} --key {key} --version-id {version}", self.name);
            let why = format!("the bucket keeps versions; once no lock is on it any more: {command}");
            return Ok(Removed::No(why));
        }
        if !asked {
            self.wait("remove", place, async { self.client(0, HeaderMap::new())?.delete(&key).await })?;
        }
        Ok(Removed::Yes)
    }

    pub(crate) fn fetch(&self, object: &Object) -> Result<File> {
        let place = self.place_of(&object.name);
        let mut file = tempfile::tempfile().map_err(Error::io("make a file for", &place))?;
        let mut at = 0;
        while at < object.len {
            let end = object.len.min(at + PIECE_LEN);
            let piece = self.read(&object.name, at..end)?;
            file.write_all(&piece).map_err(Error::io("keep what was fetched of", &place))?;
            at = end;
        }
        file.rewind().map_err(Error::io("read what was fetched of", &place))?;
        Ok(file)
    }

    pub(crate) fn put(
        &self,
        name: &str,
        lock: Lock,
        make: &mut dyn FnMut(&Path) -> Result<()>,
    ) -> Result<(Object, Put)> {
        let place = self.place_of(name);
        let local = tempfile::NamedTempFile::new().map_err(Error::io("make a file for", &place))?;
        make(local.path())?;
        let bytes = std::fs::read(local.path()).map_err(Error::io("read", local.path()))?;
        let object = Object { name: name.to_owned(), len: bytes.len() as u64 };
        if object.len > OBJECT_LEN_MAX {
            let reason =
                format!("{} bytes are more than the {OBJECT_LEN_MAX} that are put at once", object.len);
            return Err(Error::Refused { what: "archive file for S3", reason });
        }
        let put = self.wait("put", place.clone(), self.put_locked(name, bytes.into(), lock))?;
        // Be it new or not, it is read back.
        let there = self.list_one(name)?;
        let equal = there.len == object.len
            && same(local.path(), &mut self.fetch(&there)?).map_err(Error::io("compare", &place))?;
        if equal { Ok((object, put)) } else { Err(taken(place)) }
    }

    /// Puts an object, locked where the bucket has locks, or where that was asked for.
    async fn put_locked(
        &self,
        name: &str,
        payload: PutPayload,
        lock: Lock,
    ) -> Result<Put, object_store::Error> {
        let until = lock.until(now());
        let put = |was_there, locked_until| Put { was_there, locked_until };
        match self.put_if_absent(name, payload.clone(), until).await {
            Ok(was_there) => Ok(put(was_there, until.filter(|_| !was_there))),
            Err(error) if until.is_some() && lock.asked.is_none() && has_no_locks(&error) => {
                self.put_if_absent(name, payload, None).await.map(|was_there| put(was_there, None))
            }
            Err(error) => Err(error),
        }
    }

    /// Puts an object; whether there was one.
    async fn put_if_absent(
        &self,
        name: &str,
        payload: PutPayload,
        lock_until: Option<Timestamp>,
    ) -> Result<bool, object_store::Error> {
        let client = self.client(payload.content_length() as u64, lock_headers(lock_until))?;
        let key = self.key(name);
        let mut tries = 1;
        loop {
            match client.put_opts(&key, payload.clone(), PutMode::Create.into()).await {
                Ok(_) => return Ok(false),
                Err(object_store::Error::AlreadyExists { .. }) => return Ok(true),
                // What may be otherwise the next time: the network, or a server that has too much to do.
                Err(error @ object_store::Error::Generic { .. })
                    if tries < TRIES && !has_no_locks(&error) =>
                {
                    tokio::time::sleep(Duration::from_millis(100 << tries)).await;
                    tries += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn list_one(&self, name: &str) -> Result<Object> {
        self.wait("look at", self.place_of(name), async {
            let found = self.client(0, HeaderMap::new())?.head(&self.key(name)).await?;
            Ok(Object { name: name.to_owned(), len: found.size })
        })
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.name, self.prefix)
    }
}

/// The headers that lock an object: nobody, whoever owns the bucket included, can remove it before.
fn lock_headers(until: Option<Timestamp>) -> HeaderMap {
    let Some(until) = until.and_then(|until| HeaderValue::from_str(&until.to_string()).ok()) else {
        return HeaderMap::new();
    };
    HeaderMap::from_iter([
        (HeaderName::from_static("x-amz-object-lock-mode"), HeaderValue::from_static("COMPLIANCE")),
        (HeaderName::from_static("x-amz-object-lock-retain-until-date"), until),
        // Such objects need a checksum, and some servers look for it by this alone.
        (HeaderName::from_static("x-amz-sdk-checksum-algorithm"), HeaderValue::from_static("SHA256")),
    ])
}

/// Whether a put was refused because the bucket has no object locks. Servers word it in their own ways.
fn has_no_locks(error: &object_store::Error) -> bool {
    let mut words = format!("{error:?}").to_ascii_lowercase();
    words.retain(|c| c.is_ascii_alphanumeric());
    words.contains("objectlockconfiguration")
}

fn now() -> Timestamp {
    SystemClock.now()
}

/// What the server or the way to it says, without what it says of how it was asked.
fn failed(action: &'static str, place: PathBuf, error: object_store::Error) -> Error {
    use object_store::Error as Store;
    let kind = match &error {
        Store::NotFound { .. } => io::ErrorKind::NotFound,
        Store::PermissionDenied { .. } | Store::Unauthenticated { .. } => io::ErrorKind::PermissionDenied,
        _ => io::ErrorKind::Other,
    };
    Error::io(action, place)(io::Error::new(kind, error))
}
