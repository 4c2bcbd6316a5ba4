//! The stream under the commands: frames what the server sends, so that nothing malformed is read by anybody else, gathers
//! what is sent, so that a batch of commands is one packet, and knows what is still to come in answer.

use super::frame::{self, Answer, Header, LINE_LIMIT, garbled};
use super::outbox::Outbox;
use futures_util::io::{AsyncRead, AsyncWrite};
use memchr::memchr;
use socket2::SockRef;
use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWrite as _, ReadBuf};
use tokio::net::TcpStream;

/// What is read from the socket at once, unless a value is read straight into its place: at first, and at most after
/// reads that filled all of it.
const INBOX: (usize, usize) = (4 * 1024, 64 * 1024);
/// Of a value of which so much is still to come, it is read straight into its place.
const STRAIGHT: usize = 32 * 1024;
/// A larger buffer is given back when the session rests.
const KEPT: usize = 16 * 1024;

/// What ends an answer of more than one line, or one that is a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The line `END`.
    End,
    /// Any line.
    Line,
}

/// A session's socket. Reading gives one line, or one part of a value, at a time: the protocol's own buffer never
/// holds more than it was promised, and what is left over stays here, where it is seen.
pub(crate) struct Stream {
    tcp: TcpStream,
    max_value: usize,
    inbox: Vec<u8>,
    /// How much of `inbox` was handed on, and how much of it came from the socket.
    taken: usize,
    filled: usize,
    /// How much of the checked line at `taken` is still to be handed on.
    line: usize,
    /// How much of a value and its end of line follows the line.
    block: usize,
    /// Where the key of a value is within the line.
    key: Range<usize>,
    /// How many values the command at hand may still be answered with.
    values: usize,
    outbox: Outbox,
    /// How many commands are to be answered by one line each, which is read here.
    owed: usize,
    answers: Vec<Answer>,
    /// What ends the answer that comes after those lines.
    ending: Option<Ending>,
    /// Whether the line at `taken` is the last of an answer.
    last: bool,
    /// How many bytes of values came since the session was made, and how many values.
    received: (usize, usize),
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
            filled: 0,
            line: 0,
            block: 0,
            key: 0..0,
            values: 0,
            outbox: Outbox::default(),
            owed: 0,
            answers: Vec::new(),
            ending: None,
            last: false,
            received: (0, 0),
        })
    }

    /// The next command's answer ends so, and has at most so many values: a server that sends
    /// more is not answering it.
    pub(super) fn expect(&mut self, ending: Ending, values: usize) {
        self.ending = Some(ending);
        self.values = values;
    }

    /// How many bytes of values have come on this session, and how many values.
    pub(super) fn received(&self) -> (usize, usize) {
        self.received
    }

    /// Puts in a command that is answered by one line. Sent is it with the next flush.
    pub(super) fn write_command(&mut self, put: impl FnOnce(&mut Vec<u8>)) {
        put(self.outbox.end());
        self.owed += 1;
    }

    /// The same for one that is written already. A large one is taken out of its place, and sent from where it is.
    pub(super) fn put_command(&mut self, command: &mut Vec<u8>) {
        self.outbox.put(command);
        self.owed += 1;
    }

    /// The answers of one line that came since this was called last.
    pub(super) fn take_answers(&mut self) -> Vec<Answer> {
        std::mem::take(&mut self.answers)
    }

    /// The last of them.
    pub(super) fn take_answer(&mut self) -> Option<Answer> {
        self.answers.pop()
    }

    /// Whether everything that was sent is answered, and everything that came was read.
    pub(super) fn is_settled(&self) -> bool {
        self.taken == self.filled && self.is_answered() && self.outbox.is_empty()
    }

    fn is_answered(&self) -> bool {
        self.line == 0 && self.block == 0 && self.owed == 0 && self.ending.is_none()
    }

    /// Forgets a command of which nothing was sent; false when something was.
    pub(super) fn take_back(&mut self) -> bool {
        if self.outbox.is_empty() || self.outbox.is_begun() {
            return self.is_settled();
        }
        self.outbox.clear();
        self.reset();
        self.owed = 0;
        self.ending = None;
        self.is_settled()
    }

    fn reset(&mut self) {
        self.values = 0;
        self.answers.clear();
    }

    /// Makes it ready for a rest: what only a large batch needs is given back.
    pub(super) fn rest(&mut self) {
        self.reset();
        if self.inbox.len() > KEPT {
            self.inbox = Vec::new();
            self.taken = 0;
            self.filled = 0;
        }
        self.outbox.shrink(KEPT);
    }

    /// Whether a session that rested is still of use: neither closed by the server nor holding bytes that nobody asked
    /// for. Costs no round trip, but asks the system: what the runtime remembers of the socket (`try_read`) is as old
    /// as its last look at the driver, and an answer overlooked here is taken for that of the next command.
    pub(super) fn is_alive(&self) -> bool {
        let seen = SockRef::from(&self.tcp).peek(&mut [MaybeUninit::uninit()]);
        self.is_settled() && seen.is_err_and(|cause| cause.kind() == io::ErrorKind::WouldBlock)
    }

    /// Sends what is left of a command whose caller has gone, and reads its answer away.
    pub(super) async fn drain(&mut self) -> io::Result<()> {
        poll_fn(|cx| Pin::new(&mut *self).poll_flush(cx)).await?;
        poll_fn(|cx| self.poll_owed(cx)).await?;
        let mut away = [0; 4096];
        while !self.is_answered() {
            poll_fn(|cx| Pin::new(&mut *self).poll_read(cx, &mut away)).await?;
        }
        self.reset();
        if self.is_settled() {
            return Ok(());
        }
        Err(garbled("the server sent more than one answer to one command"))
    }

    /// Sends what was gathered and waits for all answers of one line.
    pub(super) async fn finish_lines(&mut self) -> io::Result<()> {
        poll_fn(|cx| Pin::new(&mut *self).poll_flush(cx)).await?;
        poll_fn(|cx| self.poll_owed(cx)).await
    }

    /// Puts in a command that asks for these keys. Sent is it with the next flush.
    pub(super) fn write_keys(&mut self, keys: &[&[u8]]) {
        let out = self.outbox.end();
        out.extend_from_slice(b"get");
        for key in keys {
            out.push(b' ');
            out.extend_from_slice(key);
        }
        out.extend_from_slice(b"\r\n");
    }

    /// Sends what was gathered, and waits until something of the answer is here.
    pub(super) async fn arrive(&mut self) -> io::Result<()> {
        poll_fn(|cx| Pin::new(&mut *self).poll_flush(cx)).await?;
        if self.taken == self.filled {
            poll_fn(|cx| self.poll_fill(cx)).await?;
        }
        Ok(())
    }

    /// The next value of an answer, where it is that of this key, and all of it is here: as are nearly all of a batch. Else
    /// none, and [`next_value`](Self::next_value) is to be asked, which finds everything as it was.
    pub(super) fn value_at_hand(&mut self, key: &[u8]) -> Option<Vec<u8>> {
        if self.values == 0 || !self.is_between_lines() {
            return None;
        }
        let rest = &self.inbox[self.taken..self.filled];
        let (header, size) = frame::plain_header(rest, key)?;
        let (value, rest) = rest[header..].split_at_checked(size)?;
        if size > self.max_value || !rest.starts_with(b"\r\n") {
            return None;
        }
        let value = value.to_vec();
        self.taken += header + size + 2;
        self.values -= 1;
        self.received.0 += size;
        self.received.1 += 1;
        Some(value)
    }

    /// Whether the end of an answer is here; it is taken then.
    pub(super) fn ends_at_hand(&mut self) -> bool {
        const END: &[u8] = b"END\r\n";
        let ends = self.is_between_lines() && self.inbox[self.taken..self.filled].starts_with(END);
        if ends {
            self.taken += END.len();
            self.ending = None;
        }
        ends
    }

    /// Whether the next line is one of an answer that the line `END` ends.
    fn is_between_lines(&self) -> bool {
        self.ending == Some(Ending::End) && self.owed == 0 && self.line == 0 && self.block == 0
    }

    /// The next value of an answer, whose key passes the look; none at its end. For answers that nothing else reads.
    pub(super) async fn next_value(
        &mut self,
        mut look: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<Option<Vec<u8>>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_flush(cx)).await?;
        poll_fn(|cx| self.poll_line(cx)).await?;
        if self.block > 0 {
            look(&self.inbox[self.taken..][self.key.clone()])?;
        } else if !self.last {
            return Err(frame::unexpected());
        }
        self.taken += self.line;
        self.pass_line(self.line);
        if self.block == 0 {
            return Ok(None);
        }
        let mut value = Vec::with_capacity(self.block);
        while self.block > 0 {
            if self.taken == self.filled {
                if self.block >= STRAIGHT {
                    let from = value.len();
                    let mut rest = (&mut self.tcp).take(self.block as u64);
                    if rest.read_buf(&mut value).await? == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                    self.pass_block(&value[from..])?;
                    continue;
                }
                poll_fn(|cx| self.poll_fill(cx)).await?;
            }
            let count = self.block.min(self.filled - self.taken);
            let from = value.len();
            value.extend_from_slice(&self.inbox[self.taken..self.taken + count]);
            self.pass_block(&value[from..])?;
            self.taken += count;
        }
        value.truncate(value.len() - 2);
        Ok(Some(value))
    }

    fn poll_owed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.answers.reserve(self.owed);
        while self.owed > 0 {
            // Which nearly all are, and which needs no looking for its end.
            const STORED: &[u8] = b"STORED\r\n";
            if self.inbox[self.taken..self.filled].starts_with(STORED) {
                self.answers.push(Answer::Stored);
                self.taken += STORED.len();
                self.owed -= 1;
                continue;
            }
            let end = ready!(self.poll_whole_line(cx))?;
            let answer = Answer::read(&self.inbox[self.taken..end])?;
            self.answers.push(answer);
            self.taken = end;
            self.owed -= 1;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.taken == self.filled {
            (self.taken, self.filled) = (0, 0);
        }
        if self.filled == self.inbox.len() {
            if self.taken > 0 {
                self.inbox.copy_within(self.taken.., 0);
                self.filled -= self.taken;
                self.taken = 0;
            } else {
                // A line is shorter than the smallest inbox, so there is always room to grow into.
                self.inbox.resize((self.inbox.len() * 2).max(INBOX.0), 0);
            }
        }
        let mut buf = ReadBuf::new(&mut self.inbox[self.filled..]);
        ready!(Pin::new(&mut self.tcp).poll_read(cx, &mut buf))?;
        let (count, full) = (buf.filled().len(), buf.remaining() == 0);
        if count == 0 {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        self.filled += count;
        if full && self.inbox.len() < INBOX.1 {
            self.inbox.resize(self.inbox.len() * 2, 0);
        }
        Poll::Ready(Ok(()))
    }

    /// Waits for a whole line; gives where it ends in the inbox.
    fn poll_whole_line(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        loop {
            let rest = &self.inbox[self.taken..self.filled];
            let end = memchr(b'\n', &rest[..rest.len().min(LINE_LIMIT)]);
            if let Some(end) = end {
                return Poll::Ready(Ok(self.taken + end + 1));
            }
            if rest.len() >= LINE_LIMIT {
                return Poll::Ready(Err(garbled("the server sent a line without end")));
            }
            ready!(self.poll_fill(cx))?;
        }
    }

    /// Waits for a line of an answer that comes after those of one line, and checks it.
    fn poll_line(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_owed(cx))?;
        let end = ready!(self.poll_whole_line(cx))?;
        let line = &self.inbox[self.taken..end];
        let header = frame::check(line, self.max_value)?;
        self.line = line.len();
        self.last = match self.ending {
            Some(Ending::End) => line == b"END\r\n",
            Some(Ending::Line) => true,
            None => {
                return Poll::Ready(Err(garbled(
                    "the server sent more than one answer to one command",
                )));
            }
        };
        if let Some(Header { key, size }) = header {
            self.key = key;
            self.values = self
                .values
                .checked_sub(1)
                .ok_or_else(|| garbled("the server sent a value that was not asked for"))?;
            self.block = size + 2;
            self.received.0 += size;
            self.received.1 += 1;
        }
        Poll::Ready(Ok(()))
    }

    /// Counts what was handed on of a line; with the last one the answer is whole.
    fn pass_line(&mut self, count: usize) {
        self.line -= count;
        if self.line == 0 && self.last {
            self.ending = None;
            self.last = false;
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
        // Only within a value can nothing be left of what came.
        if this.taken == this.filled {
            if wanted >= this.inbox.len() {
                // Straight into its place.
                let mut buf = ReadBuf::new(out);
                ready!(Pin::new(&mut this.tcp).poll_read(cx, &mut buf))?;
                if buf.filled().is_empty() {
                    return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
                }
                this.pass_block(buf.filled())?;
                return Poll::Ready(Ok(buf.filled().len()));
            }
            ready!(this.poll_fill(cx))?;
        }
        let rest = &this.inbox[this.taken..this.filled];
        let count = rest.len().min(wanted);
        out[..count].copy_from_slice(&rest[..count]);
        this.taken += count;
        if this.line > 0 {
            this.pass_line(count);
        } else {
            this.pass_block(&out[..count])?;
        }
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for Stream {
    /// Gathers: a command is one packet, and so is a batch of them.
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().outbox.end().extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.outbox.poll_send(&mut this.tcp, cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_shutdown(cx)
    }
}
