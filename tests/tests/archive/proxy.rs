//! A way to a server that misbehaves when told to.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What happens to a connection.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fault {
    /// It is closed once so many bytes of the request were passed on.
    Dropped(usize),
    /// The server has too much to do.
    Busy,
    /// The request is passed on so many bytes at a time.
    Dribble(usize),
    /// The answer does not come: what the server says is thrown away.
    Unanswered,
}

/// Passes connections on; the next ones meet the faults that were asked for, one each.
#[derive(Debug)]
pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    faults: Arc<Mutex<VecDeque<Fault>>>,
}

impl Proxy {
    /// In front of a server on this machine. It ends with the tests.
    pub(super) fn before(server: SocketAddr) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy { address: listener.local_addr().unwrap(), faults: Arc::default() };
        let faults = Arc::clone(&proxy.faults);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let fault = faults.lock().unwrap().pop_front();
                // Whoever goes away is not waited for.
                std::thread::spawn(move || client.and_then(|client| pass(client, server, fault)));
            }
        });
        proxy
    }

    pub(super) fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        self.faults.lock().unwrap().extend(faults);
    }

    /// How many of the faults nobody met.
    pub(super) fn left(&self) -> usize {
        self.faults.lock().unwrap().len()
    }
}

fn pass(mut client: TcpStream, server: SocketAddr, fault: Option<Fault>) -> io::Result<()> {
    if matches!(fault, Some(Fault::Busy)) {
        // Some of the request is enough to answer it.
        let _ = client.read(&mut [0; 4096])?;
        client.write_all(b"HTTP/1.1 503 Slow Down\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")?;
        return client.shutdown(Shutdown::Write);
    }
    let mut up = TcpStream::connect(server)?;
    let (mut answers, mut back) = (up.try_clone()?, client.try_clone()?);
    let unanswered = matches!(fault, Some(Fault::Unanswered));
    let answering = std::thread::spawn(move || {
        if unanswered {
            // Once the server has begun to answer, what was asked for is done.
            let _ = answers.read(&mut [0; 1]);
        } else {
            let _ = io::copy(&mut answers, &mut back);
        }
        back.shutdown(Shutdown::Both)
    });
    match fault {
        Some(Fault::Dropped(len)) => {
            io::copy(&mut (&mut client).take(len as u64), &mut up)?;
            up.shutdown(Shutdown::Both)?;
            client.shutdown(Shutdown::Both)?;
        }
        Some(Fault::Dribble(len)) => {
            let mut piece = vec![0; len];
            up.set_nodelay(true)?;
            while let count @ 1.. = client.read(&mut piece)? {
                up.write_all(&piece[..count])?;
            }
        }
        _ => {
            io::copy(&mut client, &mut up)?;
        }
    }
    let _ = answering.join();
    Ok(())
}
