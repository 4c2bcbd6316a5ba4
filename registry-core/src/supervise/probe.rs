//! Whether the hosts that a worker ended over answer again: a bare connection each, which costs a database next to
//! nothing.

use crate::backoff::Backoff;
use std::time::Duration;
use tokio::net::TcpStream;

/// Pauses between looks: the first worker is back within a second of its databases.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));
/// How long one look may take.
const PATIENCE: Duration = Duration::from_millis(500);
/// The most hosts that are looked at.
const LIMIT: usize = 16;

/// Returns when every host was seen to be away and then answers. A host that answers all the time is not what the worker
/// ended over, and nothing is won by haste: then this never returns.
pub(crate) async fn hosts_back(mut hosts: Vec<String>) {
    hosts.truncate(LIMIT);
    let mut pauses = Backoff::new(PAUSES.0, PAUSES.1);
    let mut seen_away = false;
    while !hosts.is_empty() {
        let looks = futures_util::future::join_all(hosts.iter().map(|host| answers(host)));
        let all = looks.await.into_iter().all(|answers| answers);
        if all && seen_away {
            return;
        }
        seen_away |= !all;
        tokio::time::sleep(pauses.next_pause()).await;
    }
    std::future::pending().await
}

async fn answers(host: &str) -> bool {
    let look = tokio::time::timeout(PATIENCE, TcpStream::connect(host));
    matches!(look.await, Ok(Ok(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn returns_when_a_host_comes_back_and_not_for_one_that_never_went() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let steady = hosts_back(vec![address.clone()]);
        let limit = Duration::from_millis(400);
        assert!(tokio::time::timeout(limit, steady).await.is_err());

        drop(listener);
        let returning = hosts_back(vec![address.clone()]);
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
