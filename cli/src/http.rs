//! A small HTTP/1.1 server: one thread a connection, every length, count and time bounded.
//!
//! Knows requests with a `Content-Length` and answers them in order; no chunked bodies, no TLS. Whoever needs more puts
//! a web server before it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::exit::Outcome;
use crate::output;
use crate::signal::Stop;

/// Longest head of a request in bytes.
const HEAD_LEN_MAX: usize = 8 << 10;
/// Most headers of a request.
const HEADERS_MAX: usize = 64;
/// Most connections at once; more are closed as they come.
const CONNECTIONS_MAX: usize = 64;
/// How long a connection may take for one request, and for taking the answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long, and for how many bytes, a request that was refused is still read.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_LEN_MAX: usize = 256 << 10;

/// What was asked.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) body: Vec<u8>,
}

/// What is answered.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) body: String,
}

impl Response {
    /// A status with a line for people.
    pub(crate) fn say(status: u16, words: &str) -> Self {
        Response { status, content_type: "text/plain; charset=utf-8", body: format!("{words}\n") }
    }
}

/// What answers; it is asked from several threads.
pub(crate) type Answer = dyn Fn(&Request) -> Response + Send + Sync;

/// Answers until `stop` is asked: whoever wakes it up connects to the listener.
pub(crate) fn serve(
    listener: &TcpListener,
    stop: &Stop,
    body_len_max: usize,
    answer: &Arc<Answer>,
) -> Outcome {
    let open = Arc::new(AtomicUsize::new(0));
    loop {
        let accepted = listener.accept();
        if let Some(code) = stop.asked() {
            return Ok(code);
        }
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            // What the one who came did wrong, or a shortage that may pass: the next is asked in.
            Err(error) => {
                output::warn(format_args!("a connection failed: {error}"));
                continue;
            }
        };
        if open.fetch_add(1, Ordering::SeqCst) >= CONNECTIONS_MAX {
            open.fetch_sub(1, Ordering::SeqCst);
            continue;
        }
        let (answer, counter) = (Arc::clone(answer), Arc::clone(&open));
        let spawned = std::thread::Builder::new().name("connection".into()).spawn(move || {
            let _ended = Connection::new(stream).run(body_len_max, answer.as_ref());
            counter.fetch_sub(1, Ordering::SeqCst);
        });
        if let Err(error) = spawned {
            open.fetch_sub(1, Ordering::SeqCst);
            output::warn(format_args!("{peer} is not answered: {error}"));
        }
    }
}

/// What is left to do with a head.
struct Head {
    method: String,
    path: String,
    body_len: usize,
    waits: bool,
    ends: bool,
}

struct Connection {
    stream: TcpStream,
    /// What was read and not used yet.
    held: Vec<u8>,
    deadline: Instant,
}

impl Connection {
    fn new(stream: TcpStream) -> Self {
        Connection { stream, held: Vec::new(), deadline: Instant::now() + PATIENCE }
    }

    /// Answers one request after the other, until one is wrong or the other side goes.
    fn run(mut self, body_len_max: usize, answer: &Answer) -> io::Result<()> {
        self.stream.set_write_timeout(Some(PATIENCE))?;
        loop {
            self.deadline = Instant::now() + PATIENCE;
            let Some(head) = self.head()? else { return Ok(()) };
            let head = match head {
                Ok(head) if head.body_len > body_len_max => Err(Response::say(413, "this is too long")),
                other => other,
            };
            let head = match head {
                Ok(head) => head,
                Err(refusal) => {
                    self.send(&refusal, true)?;
                    return self.linger();
                }
            };
            if head.waits {
                self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
            }
            while self.held.len() < head.body_len {
                if self.more()? == 0 {
                    return Ok(());
                }
            }
            let rest = self.held.split_off(head.body_len);
            let body = std::mem::replace(&mut self.held, rest);
            let request = Request { method: head.method, path: head.path, body };
            self.send(&answer(&request), head.ends)?;
            if head.ends {
                return Ok(());
            }
        }
    }

    /// The next request's head, or what to answer to one that cannot be read; nothing where the other side went.
    fn head(&mut self) -> io::Result<Option<Result<Head, Response>>> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
            let mut request = httparse::Request::new(&mut headers);
            match request.parse(&self.held) {
                Ok(httparse::Status::Complete(len)) => {
                    let head = read_head(&request);
                    self.held.drain(..len);
                    return Ok(Some(head));
                }
                Ok(httparse::Status::Partial) if self.held.len() < HEAD_LEN_MAX => {
                    if self.more()? == 0 {
                        return Ok(None);
                    }
                }
                Ok(httparse::Status::Partial) => {
                    return Ok(Some(Err(Response::say(431, "the head is too long"))));
                }
                Err(error) => return Ok(Some(Err(Response::say(400, &format!("no request: {error}"))))),
            }
        }
    }

    /// Reads what is there, as long as there is time.
    fn more(&mut self) -> io::Result<usize> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))?;
        let mut buffer = [0; 4096];
        let count = self.stream.read(&mut buffer)?;
        self.held.extend(buffer.iter().take(count));
        Ok(count)
    }

    /// Takes what is still on its way, within bounds: closing on unread bytes could take the answer back.
    fn linger(mut self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)?;
        self.deadline = Instant::now() + LINGER;
        let mut left = LINGER_LEN_MAX;
        while left > 0 {
            self.held.clear();
            match self.more()? {
                0 => break,
                count => left = left.saturating_sub(count),
            }
        }
        Ok(())
    }

    fn send(&mut self, response: &Response, ends: bool) -> io::Result<()> {
        let Response { status, content_type, body } = response;
        let connection = if ends { "Connection: close\r\n" } else { "" };
        let text = format!(
            "HTTP/1.1 {status} {}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n{connection}\r\n{body}",
            phrase(*status),
            body.len(),
        );
        self.stream.write_all(text.as_bytes())
    }
}

fn read_head(request: &httparse::Request<'_, '_>) -> Result<Head, Response> {
    let values = |name: &'static str| {
        let named = request.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
        named.map(|header| String::from_utf8_lossy(header.value).trim().to_ascii_lowercase())
    };
    if values("transfer-encoding").next().is_some() {
        return Err(Response::say(411, "a request says how long it is, by Content-Length"));
    }
    let mut lens = values("content-length");
    let body_len = match (lens.next(), lens.next()) {
        (None, _) => Some(0),
        (Some(len), None) => {
            len.bytes().all(|byte| byte.is_ascii_digit()).then(|| len.parse().ok()).flatten()
        }
        // Two lengths are two readings of one stream.
        (Some(_), Some(_)) => None,
    };
    let body_len = body_len.ok_or_else(|| Response::say(400, "the Content-Length is no length"))?;
    let ends = request.version != Some(1) || values("connection").any(|value| value.contains("close"));
    Ok(Head {
        method: request.method.unwrap_or_default().to_owned(),
        path: request.path.unwrap_or_default().to_owned(),
        body_len,
        waits: values("expect").any(|value| value == "100-continue"),
        ends,
    })
}

fn phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        411 => "Length Required",
        413 => "Content Too Large",
        422 => "Unprocessable Entity",
        431 => "Request Header Fields Too Large",
        _ => "Internal Server Error",
    }
}
