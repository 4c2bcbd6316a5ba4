//! One connection of the proxy.

use crate::Mode;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

/// Chunks under way in one direction. With latency this bounds the bytes in flight, to 16 MiB.
const UNDER_WAY: usize = 1024;
const CHUNK: usize = 16 * 1024;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    ToServer,
    ToClient,
}

/// Carries one connection to its end.
pub(crate) async fn connection(
    mut client: TcpStream,
    server: SocketAddr,
    mut mode: watch::Receiver<Mode>,
    mut kill: watch::Receiver<()>,
) {
    let ended = {
        let carried = async {
            let is_kept_out = |mode: &Mode| matches!(mode, Mode::Hang | Mode::HangNew);
            if is_kept_out(&mode.borrow()) {
                // A proxy that is gone lets nobody in, and this task goes with it.
                let _ = mode.wait_for(|mode| !is_kept_out(mode)).await;
                passing(&mut mode).await;
            }
            let mut upstream = TcpStream::connect(server).await?;
            client.set_nodelay(true)?;
            upstream.set_nodelay(true)?;
            let ended = {
                let (from_client, to_client) = client.split();
                let (from_server, to_server) = upstream.split();
                let up = carry(from_client, to_server, mode.clone(), Direction::ToServer);
                let down = carry(from_server, to_client, mode.clone(), Direction::ToClient);
                tokio::try_join!(up, down).map(drop)
            };
            if ended.is_err() {
                upstream.set_zero_linger()?;
            }
            ended
        };
        tokio::select! {
            biased;
            _ = kill.changed() => Err(io::ErrorKind::ConnectionReset.into()),
            ended = carried => ended,
        }
    };
    match ended {
        Ok(()) => {}
        // The limit: an end in order, too early.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            let _ = client.shutdown().await;
        }
        Err(_) => {
            let _ = client.set_zero_linger();
        }
    }
}

/// Carries one direction. Reading and writing are apart: a chunk that waits for its time holds up no other.
async fn carry(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mode: watch::Receiver<Mode>,
    direction: Direction,
) -> io::Result<()> {
    let (sender, mut chunks) = mpsc::channel::<(Instant, Vec<u8>)>(UNDER_WAY);
    let mut reading = mode.clone();
    let read = async move {
        let mut passed = 0;
        loop {
            passing(&mut reading).await;
            let mut chunk = Vec::with_capacity(CHUNK);
            if from.read_buf(&mut chunk).await? == 0 {
                return Ok(());
            }
            let now = *reading.borrow();
            let mut delay = Duration::ZERO;
            match now {
                Mode::Reset => return Err(io::ErrorKind::ConnectionReset.into()),
                Mode::Latency(latency) => delay = latency,
                Mode::LimitBytes(limit) if direction == Direction::ToClient => {
                    let left = usize::try_from(limit.saturating_sub(passed)).unwrap_or(usize::MAX);
                    chunk.truncate(left);
                }
                _ => {}
            }
            passed += chunk.len() as u64;
            // The receiver lives as long as this future: both are halves of one.
            let _ = sender.send((Instant::now() + delay, chunk)).await;
            if matches!(now, Mode::LimitBytes(limit) if direction == Direction::ToClient && passed >= limit) {
                // `None` of the channel comes after what was sent before.
                return Ok(());
            }
        }
    };
    let mut writing = mode.clone();
    let write = async move {
        let mut passed = 0;
        while let Some((due, chunk)) = chunks.recv().await {
            // A timer is no finer than a millisecond: what is due is not made to wait for one.
            if due > Instant::now() {
                sleep_until(due).await;
            }
            passing(&mut writing).await;
            to.write_all(&chunk).await?;
            passed += chunk.len() as u64;
            let limit = *writing.borrow();
            if matches!(limit, Mode::LimitBytes(limit) if direction == Direction::ToClient && passed >= limit)
            {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        to.shutdown().await
    };
    tokio::try_join!(read, write).map(drop)
}

/// Waits until something passes. A proxy that is gone lets nothing pass, and this task goes with it.
async fn passing(mode: &mut watch::Receiver<Mode>) {
    if mode
        .wait_for(|mode| !matches!(mode, Mode::Hang | Mode::Blackhole))
        .await
        .is_err()
    {
        std::future::pending::<()>().await;
    }
}
