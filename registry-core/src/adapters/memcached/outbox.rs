//! What is to be sent: small commands in one piece, large ones from where they are, in the order in which they were put in.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncWrite as _;
use tokio::net::TcpStream;

/// From so many bytes on a command is not copied to the others: to copy it costs more than to point at it.
const LARGE: usize = 2 * 1024;
/// How many pieces go to the system at once; it takes 1,024.
const PIECES: usize = 128;

#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// The small ones.
    bytes: Vec<u8>,
    /// The large ones, each with the place in `bytes` before which it comes.
    large: Vec<(usize, Vec<u8>)>,
    sent: usize,
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.large.is_empty()
    }

    /// Whether a part of it has been sent.
    pub(super) fn is_begun(&self) -> bool {
        self.sent > 0
    }

    /// The end of what is to be sent, to write to.
    pub(super) fn end(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Puts in a whole command. A large one is taken out of its place.
    pub(super) fn put(&mut self, command: &mut Vec<u8>) {
        if command.len() < LARGE {
            self.bytes.extend_from_slice(command);
        } else {
            self.large.push((self.bytes.len(), std::mem::take(command)));
        }
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.large.clear();
        self.sent = 0;
    }

    /// Gives back what only a large batch needs.
    pub(super) fn shrink(&mut self, kept: usize) {
        if self.bytes.capacity() > kept {
            self.bytes = Vec::new();
        }
    }

    /// Sends all of it.
    pub(super) fn poll_send(&mut self, tcp: &mut TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let length = self.bytes.len() + self.large.iter().map(|(_, large)| large.len()).sum::<usize>();
        while self.sent < length {
            let tcp = Pin::new(&mut *tcp);
            let count = if self.large.is_empty() {
                ready!(tcp.poll_write(cx, &self.bytes[self.sent..]))?
            } else {
                ready!(tcp.poll_write_vectored(cx, &self.rest()))?
            };
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += count;
        }
        self.clear();
        Poll::Ready(Ok(()))
    }

    /// The first pieces of what was not sent yet.
    fn rest(&self) -> Vec<IoSlice<'_>> {
        let mut from = 0;
        let pieces = self.large.iter().flat_map(|(place, large)| {
            let small = &self.bytes[from..*place];
            from = *place;
            [small, large.as_slice()]
        });
        let last = self.large.last().map_or(0, |(place, _)| *place);
        let pieces = pieces.chain([&self.bytes[last..]]);
        let mut sent = self.sent;
        let rest = pieces.filter_map(|piece| {
            let passed = sent.min(piece.len());
            sent -= passed;
            Some(&piece[passed..]).filter(|rest| !rest.is_empty())
        });
        rest.take(PIECES).map(IoSlice::new).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_and_small_go_out_in_the_order_in_which_they_came() {
        let mut outbox = Outbox::default();
        let mut whole = Vec::new();
        let command = |byte: u8, length: usize| vec![byte; length];
        for (byte, length) in [
            (1, 3),
            (2, LARGE),
            (3, LARGE),
            (4, 2),
            (5, LARGE - 1),
            (6, LARGE + 7),
        ] {
            let mut command = command(byte, length);
            whole.extend_from_slice(&command);
            outbox.put(&mut command);
            assert_eq!(command.is_empty(), length >= LARGE);
        }
        outbox.end().extend_from_slice(b"get a\r\n");
        whole.extend_from_slice(b"get a\r\n");
        // However far the system came, what is left is what is left.
        for sent in (0..whole.len())
            .step_by(97)
            .chain([3, 3 + LARGE, 3 + 2 * LARGE, whole.len()])
        {
            outbox.sent = sent;
            let rest: Vec<u8> = outbox.rest().iter().flat_map(|piece| piece.to_vec()).collect();
            assert_eq!(rest, whole[sent..], "{sent}");
            assert!(outbox.rest().iter().all(|piece| !piece.is_empty()));
        }
        assert!(outbox.is_begun() && !outbox.is_empty());
        outbox.clear();
        assert!(outbox.is_empty() && !outbox.is_begun());
    }
}
