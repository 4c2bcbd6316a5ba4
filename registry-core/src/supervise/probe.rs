//! Whether the hosts that a worker ended over answer again: a bare connection each, which costs a database next to
//! nothing.

use crate::backoff::Backoff;
use std::time::Duration;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::Instant;

/// How long a look at one address may take.
const PATIENCE: Duration = Duration::from_millis(500);
/// The most hosts that are looked at, and addresses of each.
const LIMIT: usize = 16;
/// The most looks at a host that answers. MySQL counts a connection without a handshake as an error, and locks the whole
/// client's host out after 100 in a row (`max_connect_errors`).
const FRUITLESS: u32 = 3;

/// Returns when every host that is away answers again. One that answers all the time is not what the worker ended over,
/// and nothing is won by haste: when all do, this never returns. The pauses are those of [`Backoff::look`], for this cap.
pub(crate) async fn hosts_back(mut hosts: Vec<String>, away_since: Instant, cap: Duration) {
    hosts.truncate(LIMIT);
    let mut seen_away = false;
    let mut fruitless = 0;
    while !hosts.is_empty() && fruitless < FRUITLESS {
        let looks = crate::together::join_all(hosts.iter().map(|host| answers(host))).await;
        let away = looks.iter().filter(|answers| !**answers).count();
        if away == 0 && seen_away {
            return;
        }
        if away == 0 {
            fruitless += 1;
        } else {
            // Whoever answers now is not asked again.
            seen_away = true;
            let mut looks = looks.into_iter();
            hosts.retain(|_| looks.next() == Some(false));
        }
        tokio::time::sleep(Backoff::look(away_since.elapsed(), cap)).await;
    }
    std::future::pending().await
}

async fn answers(host: &str) -> bool {
    // The system looks names up in a thread that cannot be ended, and has a limit of its own: no second one beside it.
    let Ok(addresses) = lookup_host(host).await else {
        return false;
    };
    for address in addresses.take(LIMIT) {
        let look = tokio::time::timeout(PATIENCE, TcpStream::connect(address));
        if matches!(look.await, Ok(Ok(_))) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn returns_when_a_host_comes_back_and_not_for_one_that_never_went() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let steady = hosts_back(vec![address.clone()], Instant::now(), Duration::ZERO);
        let limit = Duration::from_millis(400);
        assert!(tokio::time::timeout(limit, steady).await.is_err());

        drop(listener);
        let returning = hosts_back(vec![address.clone()], Instant::now(), Duration::ZERO);
        tokio::pin!(returning);
        assert!(
            tokio::time::timeout(Duration::from_millis(50), &mut returning)
                .await
                .is_err()
        );
        let _listener = TcpListener::bind(&address).await.unwrap();
        tokio::time::timeout(Duration::from_secs(5), returning)
            .await
            .unwrap();
    }
}
