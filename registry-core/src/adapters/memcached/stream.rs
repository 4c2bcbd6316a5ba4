//! The stream under the protocol: frames what the server sends, so that nothing malformed reaches the protocol, and
//! gathers what is sent, so that a command is one packet.

use super::key::KEY_LIMIT;
use futures_util::io::{AsyncRead, AsyncWrite};
use socket2::SockRef;
use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::net::TcpStream;

/// The longest line that a server sends: a header with a key, an error with its text, a statistic.
const LINE_LIMIT: usize = 2048 + KEY_LIMIT;
/// What is read from the socket at once, unless a value is read straight into its place.
const CHUNK: usize = 8 * 1024;
/// A larger buffer is given back after its command.
const KEPT: usize = 64 * 1024;

/// A session's socket. Reading gives one line, or one part of a value, at a time: the protocol's own buffer never
/// holds more than it was promised, and what is left over stays here, where it is seen.
pub(crate) struct Stream {
    tcp: TcpStream,
    max_value: usize,
    inbox: Vec<u8>,
    /// How much of `inbox` was handed on.
    taken: usize,
    /// How much of the checked line at `taken` is still to be handed on.
    line: usize,
    /// How much of a value and its end of line follows the line.
    block: usize,
    /// How many values the command at hand may still be answered with.
    values: usize,
    outbox: Vec<u8>,
    sent: usize,
    /// Whether the next command line is one that the protocol wants no acknowledgement of.
    claims: bool,
    /// Commands whose acknowledgement was not asked for by the protocol, but by us.
    owed: usize,
}

/// Why the stream broke off; travels inside an [`io::Error`].
#[derive(Debug)]
pub(super) enum Fault {
    /// The server's own `ERROR`, `CLIENT_ERROR …` or `SERVER_ERROR …`.
    Refused(String),
    /// What came is not memcached's protocol.
    Garbled(&'static str),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(text) => write!(f, "the server answered {}", text.trim_end()),
            Self::Garbled(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Fault {}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        Self::other(fault)
    }
}

pub(super) fn garbled(what: &'static str) -> io::Error {
    Fault::Garbled(what).into()
}

impl Stream {
    pub(super) fn new(tcp: TcpStream, max_value: usize) -> io::Result<Self> {
        // Without it a small command waits for the acknowledgement of the one before.
        tcp.set_nodelay(true)?;
        Ok(Self {
            tcp,
            max_value,
            inbox: Vec::new(),
            taken: 0,
            line: 0,
            block: 0,
            values: 0,
            outbox: Vec::new(),
            sent: 0,
            claims: false,
            owed: 0,
        })
    }

    /// How many values the next command asks for; a server that sends more is not answering it.
    pub(super) fn expect_values(&mut self, count: usize) {
        self.values = count;
    }

    /// How many of these values have not come.
    pub(super) fn values_left(&self) -> usize {
        self.values
    }

    /// Claims the acknowledgement of the next command, which the protocol writes with `noreply`. No other command is
    /// looked at for the word: `noreply` is a key like any other.
    pub(super) fn claim_acknowledgement(&mut self) {
        self.claims = true;
    }

    /// Whether everything that was sent is answered, and everything that came was read.
    pub(super) fn is_settled(&self) -> bool {
        self.taken == self.inbox.len() && self.block == 0 && self.outbox.is_empty() && self.owed == 0
    }

    /// Whether a session that rested is still of use: neither closed by the server nor holding bytes that nobody asked
    /// for. Costs no round trip, but asks the system: what the runtime remembers of the socket (`try_read`) is as old
    /// as its last look at the driver, and an answer overlooked here is taken for that of the next command.
    pub(super) fn is_alive(&self) -> bool {
        let seen = SockRef::from(&self.tcp).peek(&mut [MaybeUninit::uninit()]);
        self.is_settled() && seen.is_err_and(|cause| cause.kind() == io::ErrorKind::WouldBlock)
    }

    /// Counts an acknowledgement as read: the next line is it.
    pub(super) fn collect_owed(&mut self) -> io::Result<()> {
        self.owed = self
            .owed
            .checked_sub(1)
            .ok_or_else(|| garbled("no acknowledgement was asked for"))?;
        Ok(())
    }

    /// Room left by what was handed on is used again.
    fn compact(&mut self) {
        if self.taken == self.inbox.len() {
            self.inbox.clear();
            self.taken = 0;
            if self.inbox.capacity() > KEPT {
                self.inbox = Vec::new();
            }
        }
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.compact();
        let mut chunk = [MaybeUninit::uninit(); CHUNK];
        let mut buf = ReadBuf::uninit(&mut chunk);
        ready!(Pin::new(&mut self.tcp).poll_read(cx, &mut buf))?;
        if buf.filled().is_empty() {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        self.inbox.extend_from_slice(buf.filled());
        Poll::Ready(Ok(()))
    }

    /// Waits for a whole line and checks it.
    fn poll_line(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let rest = &self.inbox[self.taken..];
            let end = rest.iter().take(LINE_LIMIT).position(|byte| *byte == b'\n');
            if let Some(end) = end {
                let line = &rest[..=end];
                let block = check_line(line, self.max_value)?;
                self.line = line.len();
                if let Some(size) = block {
                    self.values = self
                        .values
                        .checked_sub(1)
                        .ok_or_else(|| garbled("the server sent a value that was not asked for"))?;
                    self.block = size + 2;
                }
                return Poll::Ready(Ok(()));
            }
            if rest.len() >= LINE_LIMIT {
                return Poll::Ready(Err(garbled("the server sent a line without end")));
            }
            ready!(self.poll_fill(cx))?;
        }
    }

    /// Checks that a value ends where its header says, and counts what was handed on of it.
    fn pass_block(&mut self, bytes: &[u8]) -> io::Result<()> {
        let ends = bytes
            .iter()
            .enumerate()
            .skip(self.block.saturating_sub(2).min(bytes.len()));
        for (index, byte) in ends {
            let expected = if self.block - index == 2 { b'\r' } else { b'\n' };
            if *byte != expected {
                return Err(garbled(
                    "a value of the server does not end where its header says",
                ));
            }
        }
        self.block -= bytes.len();
        Ok(())
    }
}

/// Checks one line; gives the size of the value that follows it.
fn check_line(line: &[u8], max_value: usize) -> io::Result<Option<usize>> {
    let Some(text) = line.strip_suffix(b"\r\n") else {
        return Err(garbled("the server sent a line that does not end in CR LF"));
    };
    let is_refusal = [&b"ERROR"[..], b"CLIENT_ERROR", b"SERVER_ERROR"]
        .iter()
        .any(|word| {
            text.strip_prefix(*word)
                .is_some_and(|rest| rest.is_empty() || rest[0] == b' ')
        });
    if is_refusal {
        return Err(Fault::Refused(String::from_utf8_lossy(text).into_owned()).into());
    }
    if !text.starts_with(b"VALUE ") {
        return Ok(None);
    }
    let size = std::str::from_utf8(text).ok().and_then(|text| {
        let parts: Vec<&str> = text.split(' ').collect();
        let ([_, key, flags, size] | [_, key, flags, size, _]) = parts[..] else {
            return None;
        };
        flags.parse::<u64>().ok()?;
        // `parse` takes a plus sign, which is no part of a number here.
        let digits = size.bytes().all(|byte| byte.is_ascii_digit());
        (digits && !key.is_empty()).then_some(())?;
        size.parse::<usize>().ok()
    });
    match size {
        Some(size) if size <= max_value => Ok(Some(size)),
        Some(_) => Err(garbled("the server announced a value larger than `max_value`")),
        None => Err(garbled(
            "the server announced a value with a header that cannot be read",
        )),
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut [u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if out.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if this.line == 0 && this.block == 0 {
            ready!(this.poll_line(cx))?;
        }
        let wanted = out.len().min(if this.line > 0 { this.line } else { this.block });
        let out = &mut out[..wanted];
        let rest = &this.inbox[this.taken..];
        if rest.is_empty() {
            // Only within a value: straight into its place.
            let mut buf = ReadBuf::new(out);
            ready!(Pin::new(&mut this.tcp).poll_read(cx, &mut buf))?;
            if buf.filled().is_empty() {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            this.pass_block(buf.filled())?;
            return Poll::Ready(Ok(buf.filled().len()));
        }
        let count = rest.len().min(wanted);
        out[..count].copy_from_slice(&rest[..count]);
        this.taken += count;
        if this.line > 0 {
            this.line -= count;
        } else {
            this.pass_block(&out[..count])?;
        }
        this.compact();
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for Stream {
    /// Gathers. The protocol writes a command line in one piece, and asks for no acknowledgement of some: the word that
    /// says so is left out, and the acknowledgement is owed.
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        const NOREPLY: &[u8] = b" noreply\r\n";
        let this = self.get_mut();
        match bytes.strip_suffix(NOREPLY) {
            // A value may end in the same letters; it is never the first thing of a command.
            Some(line) if this.claims && this.outbox.is_empty() => {
                this.claims = false;
                this.outbox.extend_from_slice(line);
                this.outbox.extend_from_slice(b"\r\n");
                this.owed += 1;
            }
            _ => this.outbox.extend_from_slice(bytes),
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.sent < this.outbox.len() {
            let count = ready!(Pin::new(&mut this.tcp).poll_write(cx, &this.outbox[this.sent..]))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            this.sent += count;
        }
        this.sent = 0;
        this.outbox.clear();
        if this.outbox.capacity() > KEPT {
            this.outbox = Vec::new();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_shutdown(cx)
    }
}
